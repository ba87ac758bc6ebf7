"""What the deploy ramdisk does to a disk: the very shell it runs, on a file and a faulty server."""

import hashlib
import random
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from netboot.answer.answers import render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import SHIPPED, Names
from netboot.errors import NotBootable
from netboot.model import Image, ImageFile, Mac, Node, Server
from tests.installer_shell import HostShell

MIB = 1 << 20
MAC = Mac("52:54:00:00:00:01")
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
OLD = b"what was there before "
DRIVE = """
wget() { /usr/bin/wget "$@"; }
sleep() { :; }
write_image
"""
GPT = b"EFI PART"
TABLE, COPY = 34 * 512, 33 * 512
"""The bytes at a disk's two ends that a GPT for sectors of 512 bytes is in."""


class Source:
    """A boot server with one image. It cuts a transfer off where ``cuts`` says, each one once.

    Attributes:
        asked: where each transfer was to begin.
        ends: the disk's first and last MiB as they were whenever a transfer began.
        told: what the machine said.
        deaf: how many times more it does not hear that the machine gave up.
    """

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.image = b""
        self.cuts: list[int] = []
        self.asked: list[int] = []
        self.ends: list[bytes] = []
        self.told: list[dict[str, list[str]]] = []
        self.deaf = 0
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.startswith("/image"):
            if "fatal" in request.path and self.deaf:
                self.deaf -= 1
                request.send_error(503)
                return
            self.told.append(parse_qs(urlsplit(request.path).query))
            request.send_response(200)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        at = int(request.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        was = self.disk.read_bytes()
        self.asked.append(at)
        self.ends.append(was[:MIB] + was[-MIB:])
        rest = self.image[at:]
        request.send_response(206 if at else 200)
        last = len(self.image) - 1
        request.send_header("Content-Range", f"bytes {at}-{last}/{last + 1}")
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        request.wfile.write(rest[: self.cuts.pop(0)] if self.cuts else rest)
        request.close_connection = True

    @property
    def said(self) -> list[str]:
        return [told["detail"][0] for told in self.told]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """The server; the disk has 8 MiB, full of what was there before."""
    disk = tmp_path / "disk"
    disk.write_bytes((OLD * MIB)[: 8 * MIB])
    made = Source(disk)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 -- only to be incompressible


def packed(raw: bytes) -> bytes:
    return subprocess.run(["zstd", "-q"], input=raw, capture_output=True, check=True).stdout


def write(
    source: Source,
    *,
    sha256: str = "",
    packs: bool = True,
    sector: int = 512,
    then: str = "make_bootable",
) -> int:
    """Have the image written to the disk, and then something else; the shell's exit status."""
    work = source.disk.parent / "work"
    work.mkdir()
    values = {
        "boot": Names({"url": source.url}),
        "disk_image": Names(
            {
                "url": f"{source.url}/image",
                "sha256": sha256 or hashlib.sha256(source.image).hexdigest(),
                "size": len(source.image),
                "packed": packs,
            }
        ),
    }
    parts = [SHIPPED.render(f"deploy/{name}.sh.j2", values, "n1") for name in ("report", "write")]
    sectors = source.disk.stat().st_size // 512
    given = f"work={work} disk={source.disk} sectors={sectors} sector={sector}"
    script = "\n".join([given, *parts, DRIVE, then])
    command = ["busybox", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("size", [5 * MIB, 7 * MIB + 512, 8 * MIB])
def test_an_image_is_written_whole_and_its_ends_last(
    source: Source, size: int, *, packs: bool
) -> None:
    raw = content(size)
    source.image = packed(raw) if packs else raw
    assert write(source, packs=packs) == 0
    disk = source.disk.read_bytes()
    assert disk[:size] == raw
    if size <= 7 * MIB:
        assert disk[7 * MIB :] == bytes(MIB)  # an older partition table's second copy is gone
    assert source.said[0].startswith("writing to ")
    assert source.said[-1] == "verifying"


def test_a_disk_has_no_partition_table_before_all_is_done(source: Source) -> None:
    old = content(8 * MIB)
    raw = b"boot sector".ljust(512) + GPT + old[520:]
    source.image = packed(raw)
    assert write(source, then=":") == 0
    disk = source.disk.read_bytes()
    assert disk == bytes(TABLE) + raw[TABLE:-COPY] + bytes(COPY)


@pytest.mark.parametrize(("made_for", "sector"), [(4096, 512), (512, 4096)])
def test_an_image_for_other_sectors_leaves_the_disk_as_it_was(
    source: Source, made_for: int, sector: int
) -> None:
    before = source.disk.read_bytes()
    source.image = packed(bytes(made_for) + GPT + content(MIB))
    assert write(source, sector=sector) == 1
    said = f"is for a disk with sectors of {made_for} bytes, those of {source.disk} have {sector}"
    assert said in source.said[-1]
    assert source.disk.read_bytes() == before


def test_a_transfer_that_is_cut_goes_on_where_it_broke(source: Source) -> None:
    raw = content(6 * MIB)
    source.image = packed(raw)
    source.cuts = [3 * MIB + 17, 100, MIB]
    assert write(source) == 0
    assert source.disk.read_bytes()[: len(raw)] == raw
    begun = [3 * MIB + 17, 3 * MIB + 117, 4 * MIB + 117]
    assert source.asked == [0, *begun]
    assert all(ends == bytes(2 * MIB) for ends in source.ends[1:])
    assert any(f"broke off after {begun[0]} of {len(source.image)}" in said for said in source.said)
    assert not any("()" in said for said in source.said)


def test_a_transfer_that_never_goes_on_is_given_up_and_the_disk_cannot_boot(source: Source) -> None:
    source.image = packed(content(6 * MIB))
    source.cuts = [2 * MIB] + [0] * 30
    assert write(source) == 1
    assert len(source.asked) == 21
    assert source.told[-1]["fatal"] == ["yes"]
    assert f"broke off after {2 * MIB} of {len(source.image)} bytes, 20 times" in source.said[-1]
    disk = source.disk.read_bytes()
    assert disk[:MIB] + disk[-MIB:] == bytes(2 * MIB)


def test_a_server_that_is_away_leaves_the_disk_as_it_was_and_hears_why_later(
    source: Source,
) -> None:
    before = source.disk.read_bytes()
    source.deaf = 20
    source.image = packed(content(6 * MIB))
    source.cuts = [0] * 30
    assert write(source) == 1
    assert "broke off" in source.told[-1]["detail"][0]
    assert source.told[-1]["fatal"] == ["yes"]
    assert source.disk.read_bytes() == before


def test_a_wrong_checksum_ends_in_a_disk_that_cannot_boot(source: Source) -> None:
    source.image = packed(content(8 * MIB))
    assert write(source, sha256="0" * 64) == 1
    assert source.told[-1]["fatal"] == ["yes"]
    assert "checksum is wrong" in source.said[-1]
    disk = source.disk.read_bytes()
    assert disk[:MIB] + disk[-MIB:] == bytes(2 * MIB)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (packed(content(9 * MIB)), "the image is larger than"),
        (packed(content(5 * MIB))[: 4 * MIB], "the image cannot be unpacked"),
    ],
)
def test_an_image_that_is_no_good_says_why(source: Source, image: bytes, why: str) -> None:
    source.image = image
    assert write(source) == 1
    assert why in source.said[-1]
    assert source.disk.read_bytes()[:MIB] == bytes(MIB)


def rendered(**variables: str) -> str:
    file = ImageFile("disk.raw", Path("disk.raw"), 100 * MIB, "0" * 64)
    node = Node("n1", (MAC,), "deploy", {}, {"disk_image": "own", **variables})
    return render_answer(
        *("deploy.sh", node, load_profiles()["deploy"], SERVER, None),
        images={"own": Image("own", "1", {file.name: file})},
        token_url=f"{SERVER.url}/node/TOKEN",
    ).decode()


def chosen(root: Path, disks: dict[str, dict[str, str]], **variables: str) -> str:
    """What a machine with these disks says that it writes to, or why to none."""
    shell = HostShell(root)
    for name, facts in disks.items():
        usual = {"removable": "0", "ro": "0", "size": "1000000000", "device/model": "Disk"}
        for fact, value in (usual | facts).items():
            shell.file(f"/sys/block/{name}/{fact}", f"{value}\n")
    script = rendered(**variables).partition("\nstage early")[0]
    quiet = "tell() { :; }\nchoose && echo chosen $disk"
    return shell.run(f"{script.replace('/run/deploy', str(root))}\n{quiet}").stdout


TWO = {"sda": {"size": "500000000"}, "sdb": {"device/model": "Other"}}


@pytest.mark.parametrize(
    ("disks", "variables", "said"),
    [
        ({"sda": {}}, {}, "chosen /dev/sda"),
        (TWO, {"disk": "largest"}, "chosen /dev/sdb"),
        (TWO, {"disk": "first"}, "chosen /dev/sda"),
        (TWO, {"disk": "model=Other"}, "chosen /dev/sdb"),
        (TWO, {"disk": "max=300G"}, "chosen /dev/sda"),
        (TWO, {}, "more than one disk fits, so none is touched; set the variable disk"),
        ({"sda": {"removable": "1"}}, {}, "/dev/sda 512 GB Disk (removable)"),
        ({"sda": {"size": "1000"}}, {}, "(smaller than the image)"),
        ({"sr0": {}}, {}, "no disk fits (wanted: the only one): there is none"),
    ],
)
def test_the_one_disk_that_fits_is_chosen_or_none(
    tmp_path: Path, disks: dict[str, dict[str, str]], variables: dict[str, str], said: str
) -> None:
    assert said in chosen(tmp_path, disks, **variables)


def test_a_disk_gets_its_partition_table_when_the_system_on_it_is_the_machines_own() -> None:
    text = rendered()
    steps = ("write_image", "grow", "identity", "make_bootable", "while ! tell")
    assert sorted(steps, key=lambda step: text.rindex(f"\n{step}")) == list(steps)


def test_cloud_init_gets_the_machines_own_name_and_keys() -> None:
    text = rendered(ssh_authorized_keys="ssh-ed25519 AAAA me", user="ben")
    assert 'hostname: "n1"' in text
    assert 'ssh_authorized_keys: ["ssh-ed25519 AAAA me"]' in text
    assert 'local-hostname: "n1"' in text


def test_a_host_name_is_text_also_where_yaml_has_another_idea_and_never_what_is_none() -> None:
    assert 'local-hostname: "on"' in rendered(hostname="on")
    assert "name=on.example.com\n" in rendered(hostname="on.example.com")
    for name in ("a b", "-a", "a_b", "a..b", "x" * 65):
        with pytest.raises(NotBootable, match="a host name is"):
            rendered(hostname=name)


@pytest.mark.parametrize(("user", "home"), [("", "root"), ("ben", "home/ben"), ("b.n", None)])
def test_keys_go_to_the_one_user_they_are_for(tmp_path: Path, user: str, home: str | None) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nben:x:0:0::/home/ben:/bin/sh\n"
    )
    variables = {"ssh_authorized_keys": "ssh-ed25519 AAAA me"} | ({"user": user} if user else {})
    _, name, rest = rendered(**variables).partition("let_in() {")
    function = name + rest.partition("\nhost_keys")[0]
    script = f"target={tmp_path}\nfail() {{ exit 9; }}\n{function}\nlet_in"
    done = subprocess.run(["busybox", "sh", "-c", script], timeout=60, check=False)
    keys = [str(one.parent.relative_to(tmp_path)) for one in tmp_path.rglob("authorized_keys")]
    assert keys == ([] if home is None else [f"{home}/.ssh"])
    assert done.returncode == (9 if home is None else 0)


def test_an_image_that_is_not_there_is_said_before_anything_is_erased() -> None:
    with pytest.raises(NotBootable, match="disk image gone is not there"):
        rendered(disk_image="gone")
