"""``netboot image`` as a person types it."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netboot.answer.catalogue import Catalogue
from netboot.cli.main import root
from netboot.errors import ConfigError
from netboot.media import library
from netboot.media.definition import definitions, fetched
from netboot.media.fetch import Outcome


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a data folder in which ipxe was fetched three hours ago."""
    monkeypatch.setenv("NETBOOT_SERVER_DATA_DIR", str(tmp_path))
    image_dir = tmp_path / "images/ipxe"
    with library.staging(image_dir) as staged:
        (staged / "snponly.efi").write_bytes(b"loader")
        sha256 = hashlib.sha256(b"loader").hexdigest()
        manifest = library.Manifest(
            image="ipxe",
            version="1.21.1",
            package="ipxe",
            suite="trixie",
            mirror="http://mirror.example/debian",
            deb_sha256="0" * 64,
            fetched_at=datetime.now(UTC) - timedelta(hours=3, minutes=5),
            files={"snponly.efi": library.Entry(sha256=sha256, size=6, member="/snponly.efi")},
        )
        library.switch(image_dir, staged, manifest)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["image", *arguments])


@pytest.mark.usefixtures("data_dir")
def test_list_says_what_is_fetched_how_old_it_is_and_what_to_do_otherwise() -> None:
    lines = run("list").output.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == list(definitions())
    assert lines[0].endswith("not fetched: netboot image fetch debian-12")
    ipxe = lines[names.index("ipxe")]
    assert ipxe.endswith("1.21.1, 0.0 MB, fetched 3 hours ago")


@pytest.mark.usefixtures("data_dir")
def test_list_as_json() -> None:
    listed = {one["name"]: one for one in json.loads(run("list", "--json").stdout)}
    assert listed["debian-12"]["version"] is None
    assert (listed["ipxe"]["version"], listed["ipxe"]["size"]) == ("1.21.1", 6)


@pytest.mark.usefixtures("data_dir")
def test_verify_passes_what_is_whole() -> None:
    done = run("verify")
    assert (done.exit_code, done.output) == (0, "ipxe: 1.21.1: 1 file good\n")


def test_verify_finds_a_flipped_bit(data_dir: Path) -> None:
    (data_dir / "images/ipxe/current/snponly.efi").write_bytes(b"lOader")
    done = run("verify", "ipxe")
    assert done.exit_code == 1
    assert done.output.splitlines()[0] == "ipxe: 1.21.1: 1 bad"
    assert done.output.splitlines()[1].startswith("ipxe: snponly.efi: bad: sha256 is ")
    done = run("verify", "ipxe", "--json")
    assert done.exit_code == 1
    [image] = json.loads(done.stdout)
    assert image["problems"][0].startswith("snponly.efi: bad")


def test_verify_names_a_broken_manifest_and_an_image_that_was_never_fetched(data_dir: Path) -> None:
    (data_dir / "images/ipxe/current/manifest.json").write_text("{")
    done = run("verify", "ipxe", "debian-12")
    assert done.exit_code == 1
    assert "manifest.json: is not JSON" in done.output
    assert "debian-12: not fetched: netboot image fetch debian-12" in done.output


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinuz-6.1"
    path.write_bytes(b"kernel")
    return path


def added(data_dir: Path, *arguments: str) -> dict[str, bytes]:
    """Add to the image ``own``; give what a machine can then ask for, by served name."""
    done = run("add", "own", *arguments)
    assert done.exit_code == 0, done.output
    catalogue = Catalogue(library.installed(data_dir / "images"))
    return {name: catalogue.find(name).path.read_bytes() for name in catalogue.names}


def test_files_of_ones_own_are_served_listed_and_verified(data_dir: Path, kernel: Path) -> None:
    served = added(data_dir, str(kernel), f"{kernel}=boot/linux", "--version", "24.04")
    assert served["images/own/vmlinuz-6.1"] == served["images/own/boot/linux"] == b"kernel"
    last = run("list").output.splitlines()[-1]
    assert last.split(maxsplit=1) == ["own", "your own files; 24.04, 0.0 MB, added just now"]
    listed = {one["name"]: one["own"] for one in json.loads(run("list", "--json").stdout)}
    assert (listed["own"], listed["ipxe"]) == (True, False)
    assert run("verify", "own").output == "own: 24.04: 2 files good\n"
    (data_dir / "images/own/current/boot/linux").write_bytes(b"kErnel")
    done = run("verify")
    assert done.exit_code == 1
    assert "own: boot/linux: bad: sha256 is " in done.output


def test_the_original_may_go_and_change(data_dir: Path, kernel: Path) -> None:
    added(data_dir, str(kernel))
    kernel.unlink()
    assert run("verify", "own").exit_code == 0


def test_adding_again_replaces_all_files_at_once(data_dir: Path, kernel: Path) -> None:
    added(data_dir, str(kernel))
    before = library.current(data_dir / "images/own")
    served = added(data_dir, f"{kernel}=linux")
    assert [name for name in served if name.startswith("images/own/")] == ["images/own/linux"]
    assert library.current(data_dir / "images/own") != before
    assert (before / "vmlinuz-6.1").exists()  # a transfer from it may still run


@pytest.mark.parametrize("version", ["current", "previous"])
def test_a_version_may_have_the_name_of_a_link(version: str, data_dir: Path, kernel: Path) -> None:
    for _ in range(3):
        assert "images/own/vmlinuz-6.1" in added(data_dir, str(kernel), "--version", version)


def test_a_name_says_nothing_about_the_place_it_is_stored(data_dir: Path, tmp_path: Path) -> None:
    odd = tmp_path / "two words=x.iso"
    odd.write_bytes(b"iso")
    served = added(data_dir, f"{odd}=x.iso")
    assert served["images/own/x.iso"] == b"iso"
    plain = tmp_path / "x"
    plain.symlink_to(odd)
    assert added(data_dir, str(plain))["images/own/x"] == b"iso"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["absent"], "absent: is not there"),
        (["{0}=../x"], "= '../x': allowed: letters, digits"),
        (["{0}=/etc/x"], "= '/etc/x': allowed"),
        (["{0}=.x"], "= '.x': allowed"),
        (["{0}="], "= '': allowed"),
        (["{0}=manifest.json"], "is reserved for netboot itself"),
        (["{0}", "{0}"], "vmlinuz-6.1 is {0} already; name it: {0}=OTHER"),
        (["{0}=a/b", "{0}=a"], "a/b cannot be in a, which is {0}"),
        (["/dev/null"], "/dev/null: is no regular file"),
        (["{0}", "--version", "a/b"], "--version"),
    ],
)
def test_what_cannot_be_served_is_refused_and_nothing_is_changed(
    files: list[str], said: str, data_dir: Path, kernel: Path
) -> None:
    done = run("add", "own", *(file.format(kernel) for file in files))
    assert isinstance(done.exception, ConfigError)
    assert said.format(kernel) in str(done.exception)
    assert not (data_dir / "images/own").exists()


@pytest.mark.parametrize("name", ["../x", "Own", ".x", "a/b", ""])
def test_an_impossible_name_is_refused(name: str, data_dir: Path, kernel: Path) -> None:
    done = run("add", name, str(kernel))
    assert isinstance(done.exception, ConfigError)
    assert [path.name for path in (data_dir / "images").iterdir()] == ["ipxe"]


def test_a_fetched_image_is_not_overwritten(data_dir: Path, kernel: Path) -> None:
    done = run("add", "ipxe", str(kernel))
    assert isinstance(done.exception, ConfigError)
    assert "first netboot image remove ipxe" in str(done.exception)
    assert run("verify").exit_code == 0
    assert run("remove", "ipxe").output == "ipxe: removed\n"
    assert library.installed(data_dir / "images") == ()
    assert run("add", "ipxe", str(kernel)).exit_code == 0


@pytest.mark.usefixtures("data_dir")
def test_a_fetch_leaves_ones_own_files_alone(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOOT_DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    assert run("add", "debian-12", str(kernel)).exit_code == 0
    done = run("fetch", "debian-12")
    assert isinstance(done.exception, ConfigError)
    assert "netboot image remove debian-12" in str(done.exception)
    asked: list[str] = []

    def each(names: Sequence[str], *_: object, **__: object) -> Sequence[Outcome]:
        asked.extend(names)
        return ()

    monkeypatch.setattr("netboot.cli.image.each", each)
    run("fetch", "--all")
    assert asked == [name for name in fetched() if name != "debian-12"]


def test_remove_leaves_nothing_and_names_what_there_is(data_dir: Path, kernel: Path) -> None:
    added(data_dir, str(kernel))
    assert run("remove", "own").output == "own: removed\n"
    assert not (data_dir / "images/own").exists()
    done = run("remove", "own")
    assert isinstance(done.exception, ConfigError)
    assert "there is no image 'own'; there are: ipxe" in str(done.exception)


def test_an_add_that_is_cut_off_leaves_the_files_before_in_service(
    data_dir: Path, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(data_dir, str(kernel))

    def cancelled(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "_force_to_disk", cancelled)
    done = run("add", "own", f"{kernel}=other")
    assert done.exit_code == 128 + 2
    [image] = [one for one in library.installed(data_dir / "images") if one.name == "own"]
    assert list(image.files) == ["vmlinuz-6.1"]
    assert not list((data_dir / "images/own").glob(".staging*"))


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("arguments", [["fetch", "nope"], ["verify", "nope"], ["fetch"]])
def test_a_bad_name_lists_the_known_ones(arguments: list[str]) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert f"known: {', '.join(definitions())}" in str(done.exception)
