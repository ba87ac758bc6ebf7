"""``netboot media build`` as a person types it."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netboot.answer.springboard import CHAIN, PLAIN, SECURE
from netboot.media import library
from netboot.media.springboard import ROOM
from netboot.media.springboard_layout import LAYOUT, MEDIUM
from netboot.secure_boot.chain import Judged
from tests.cli_here import Cli

MAC = "52:54:00:12:34:56"
OFFSETS = [2048, 10_240]
OWN = bytes(range(256)) * 64


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command with both springboards fetched, and one node."""
    (tmp_path / "netboot.toml").write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    layout = json.dumps({"room": ROOM, "offsets": OFFSETS}).encode()
    for image in (PLAIN, SECURE):
        put(tmp_path / "data/images" / image, {MEDIUM: OWN, LAYOUT: layout})
    cli = Cli(tmp_path / "netboot.toml", monkeypatch, capsys)
    assert cli("node", "add", "n1", "--mac", MAC, "--profile", "local")[0] == 0
    return cli


def put(image_dir: Path, files: dict[str, bytes]) -> None:
    with library.staging(image_dir) as staged:
        entries = {}
        for name, content in files.items():
            (staged / name).write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            entries[name] = library.Entry(sha256=sha256, size=len(content), member=name)
        manifest = library.Manifest(
            image=image_dir.name, version="1", fetched_at=datetime.now(UTC), files=entries
        )
        library.switch(image_dir, staged, manifest)


def script_of(medium: bytes) -> bytes:
    """The start script, of which every copy is the same; the rest is the image's own."""
    (script,) = {medium[offset : offset + ROOM] for offset in OFFSETS}
    restored = bytearray(medium)
    for offset in OFFSETS:
        restored[offset : offset + ROOM] = OWN[offset : offset + ROOM]
    assert restored == OWN
    return script


def test_a_cd_leads_its_node_to_its_own_script(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "n1.iso"
    code, out, err = cli("media", "build", "n1", "-o", target, "--address", "192.0.2.1")
    assert (code, err) == (0, "")
    assert out == f"{target}: 0.0 MB, starts n1 from http://192.0.2.1:8080\n"
    assert f"http://192.0.2.1:8080/ipxe/{MAC}?".encode() in script_of(target.read_bytes())
    assert target.stat().st_mode & 0o777 == 0o644
    assert {path.name for path in tmp_path.iterdir()} == {"n1.iso", "data", "netboot.toml"}


def test_a_usb_stick_is_the_same_and_how_to_write_it_is_said(cli: Cli, tmp_path: Path) -> None:
    one, other = tmp_path / "cd", tmp_path / "stick"
    cli("media", "build", "n1", "-o", one, "--address", "192.0.2.1")
    _, out, _ = cli("media", "build", "n1", "-o", other, "--address", "192.0.2.1", "--usb")
    assert out.endswith(f"; dd if={other} of=/dev/sdX\n")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("marked", [False, True])
def test_a_machine_with_secure_boot_gets_grub(cli: Cli, tmp_path: Path, marked: bool) -> None:
    target = tmp_path / "n1.iso"
    words = ["media", "build", "n1", "-o", target, "--address", "192.0.2.1"]
    if marked:
        assert cli("node", "set", "n1", "--secure-boot")[0] == 0
    else:
        words.append("--secure-boot")
    assert cli(*words)[0] == 0
    script = script_of(target.read_bytes())
    assert f"configfile (http,192.0.2.1:8080)/grub/{MAC}\n".encode() in script


def test_one_that_firmware_would_refuse_is_not_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = Judged({CHAIN: "is revoked"})
    monkeypatch.setattr("netboot.cli.media.judge", lambda _images: judged)
    words = ["media", "build", "n1", "-o", tmp_path / "n1.iso", "--address", "192.0.2.1"]
    code, _, err = cli(*words, "--secure-boot")
    assert code == 2
    assert "image springboard-secure: its shim is revoked; netboot image fetch spring" in err
    assert not (tmp_path / "n1.iso").exists()


def test_where_the_machines_find_netboot_is_as_configured(cli: Cli, tmp_path: Path) -> None:
    with (tmp_path / "netboot.toml").open("a") as config:
        config.write('[http]\nadvertise = "198.51.100.9"\nport = 80\n')
    assert cli("media", "build", "n1", "-o", tmp_path / "n1.iso")[0] == 0
    assert b"http://198.51.100.9:80/ipxe/" in script_of((tmp_path / "n1.iso").read_bytes())


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["n2"], 2, 'no node is called "n2"'),
        (["n1", "--address", "nowhere"], 2, "--address = "),
        (["n1", "-o", "/dev/null"], 2, "--output: /dev/null is no file"),
        (["n1", "-o", "/nowhere/x.iso"], 1, "/nowhere/x.iso: No such file or directory"),
    ],
)
def test_what_is_wrong_is_one_line(
    cli: Cli, tmp_path: Path, words: list[str], code: int, problem: str
) -> None:
    default = ["-o", str(tmp_path / "x.iso"), "--address", "192.0.2.1"]
    found, out, err = cli("media", "build", *default, *words)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert problem in err
    assert not (tmp_path / "x.iso").exists()


@pytest.mark.parametrize(
    ("option", "image"), [("--usb", "springboard"), ("--secure-boot", "springboard-secure")]
)
def test_an_image_that_is_not_there_says_how_to_have_it(
    cli: Cli, tmp_path: Path, option: str, image: str
) -> None:
    assert cli("image", "remove", image)[0] == 0
    words = ("media", "build", "n1", "-o", tmp_path / "x", "--address", "192.0.2.1", option)
    code, _, err = cli(*words)
    assert (code, f"netboot image fetch {image}\n") == (2, err[err.index("netboot image") :])


def test_a_template_of_ones_own_that_is_too_long_is_named(cli: Cli, tmp_path: Path) -> None:
    own = tmp_path / "templates"
    (own / "ipxe").mkdir(parents=True)
    (own / "ipxe/springboard.ipxe").write_text("#!ipxe\n" + "# long\n" * 1000)
    text = (tmp_path / "netboot.toml").read_text()
    (tmp_path / "netboot.toml").write_text(f'{text}templates = ["{own}"]\n')
    code, _, err = cli("media", "build", "n1", "-o", tmp_path / "x", "--address", "192.0.2.1")
    assert code == 2
    assert "templates/ipxe/springboard.ipxe: a start script has 7007 bytes; 4096" in err


def test_no_cd_is_made_that_its_machine_could_not_start(cli: Cli, tmp_path: Path) -> None:
    cli("group", "set", "arms", "--label", "cpu=arm", "--profile", "debian-13-arm64")
    cli("node", "add", "n2", "--mac", "52:54:00:12:34:57", "--label", "cpu=arm")
    code, out, err = cli("media", "build", "n2", "-o", tmp_path / "n2.iso")
    assert (code, out) == (2, "")
    assert err.endswith(
        "node n2's profile debian-13-arm64 is for arm64, and a CD starts x64 alone\n"
    )
