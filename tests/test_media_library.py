"""How a version is switched in: whole or not at all, whatever moment it is cut off."""

import hashlib
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netboot.errors import ConfigError
from netboot.media import library

FILES = {"linux": b"kernel", "arm64/ipxe.efi": b"loader"}


class PowerFailure(BaseException):
    """Nothing handles it, so nothing is tidied up: the disk stays as it is."""


def fill(folder: Path, version: str) -> library.Manifest:
    entries = {}
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + version.encode())
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        entries[name] = library.Entry(sha256=sha256, size=path.stat().st_size, member=f"/{name}")
    return library.Manifest(
        image="tiny",
        version=version,
        package="tiny",
        suite="test",
        mirror="http://mirror.example/debian",
        deb_sha256="0" * 64,
        fetched_at=datetime(2022, 1, 1, tzinfo=UTC),
        files=entries,
    )


def put(image_dir: Path, version: str) -> Path:
    with library.staging(image_dir) as staged:
        return library.switch(image_dir, staged, fill(staged, version))


def served(image_dir: Path) -> str:
    """Return the current version after checking that every file is whole."""
    folder = library.current(image_dir)
    manifest = library.read_manifest(folder)
    assert library.check(folder, manifest) == ()
    return manifest.version


@pytest.fixture
def image_dir(tmp_path: Path) -> Path:
    put(tmp_path / "tiny", "1")
    return tmp_path / "tiny"


def steps(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> None:
    """Call ``before`` ahead of every step of a switch that changes the disk."""

    def wrapped(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def step(*arguments: object, **named: object) -> object:
            before()
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, step)

    for name in ("write_bytes", "rename", "replace", "symlink_to", "unlink"):
        wrapped(Path, name)
    wrapped(os, "fsync")
    wrapped(library.shutil, "rmtree")


def test_cut_off_before_any_step_one_version_is_whole_and_the_next_switch_cleans_up(
    image_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(image_dir, "2")
    for fatal in range(1, 100):
        before, version = served(image_dir), f"{fatal + 10}"
        staged = image_dir / f".staging-{fatal}"
        staged.mkdir()
        manifest = fill(staged, version)
        finished = switch_until(fatal, image_dir, staged, manifest, monkeypatch)
        assert served(image_dir) in ({version} if finished else {before, version})
        library.clean(image_dir)
        kept = {path.name for path in image_dir.iterdir()}
        assert {served(image_dir), "current", "previous"} <= kept
        assert len(kept) <= 4
        if finished:
            break
        put(image_dir, f"{version}-next")
        assert served(image_dir) == f"{version}-next"
    assert finished
    assert fatal > 15


def switch_until(
    fatal: int,
    image_dir: Path,
    staged: Path,
    manifest: library.Manifest,
    monkeypatch: pytest.MonkeyPatch,
) -> bool:
    """Switch with the power failing ahead of one step; return whether it came to its end."""
    count = itertools.count(1)

    def fail() -> None:
        if next(count) == fatal:
            raise PowerFailure

    with monkeypatch.context() as patch:
        steps(patch, fail)
        try:
            library.switch(image_dir, staged, manifest)
        except PowerFailure:
            return False
    return True


def test_every_file_and_folder_is_forced_to_disk_before_current_moves(
    image_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real_fsync(handle)

    def replace(path: Path, target: Path) -> Path:
        done.append(f"-> {target.name}")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with library.staging(image_dir) as staged:
        library.switch(image_dir, staged, fill(staged, "2"))
    forced = set(done[: done.index("-> current")])
    assert forced >= {"linux", "arm64", "ipxe.efi", "manifest.json", staged.name, "tiny"}
    assert done[-1] == "tiny"


def test_staging_that_is_not_switched_in_is_gone(image_dir: Path) -> None:
    def half_way() -> None:
        with library.staging(image_dir) as staged:
            (staged / "linux").write_bytes(b"half")
            raise PowerFailure

    with pytest.raises(PowerFailure):
        half_way()
    assert {path.name for path in image_dir.iterdir()} == {"1", "current"}


def test_the_stamp_changes_with_each_switch_and_only_then(image_dir: Path) -> None:
    images_dir = image_dir.parent
    seen = [library.stamp(images_dir)]
    for version in ("2", "2", "3"):
        put(image_dir, version)
        seen.append(library.stamp(images_dir))
    assert len(set(map(repr, seen))) == 4
    (image_dir / ".staging-x").mkdir()
    assert library.stamp(images_dir) == seen[-1]
    put(images_dir / "other", "1")
    assert library.stamp(images_dir) != seen[-1]


def test_no_images_yet(tmp_path: Path) -> None:
    assert library.installed(tmp_path / "absent") == ()
    assert library.stamp(tmp_path / "absent") == ()
    assert library.names(tmp_path) == ()


def test_files_are_named_by_their_version_and_not_through_current(image_dir: Path) -> None:
    [image] = library.installed(image_dir.parent)
    assert (image.name, image.version) == ("tiny", "1")
    file = image.files["arm64/ipxe.efi"]
    assert (file.path, file.size) == (image_dir / "1/arm64/ipxe.efi", 7)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "manifest.json: cannot be read: No such file"),
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"{}", "manifest.json: image: is missing"),
        (b'{"surprise": 1}', "surprise: is no known key"),
    ],
)
def test_a_broken_manifest_is_reported_and_the_other_images_are_listed(
    manifest: bytes | None, said: str, image_dir: Path
) -> None:
    broken = put(image_dir.parent / "broken", "1") / "manifest.json"
    broken.unlink() if manifest is None else broken.write_bytes(manifest)
    reports: list[str] = []
    assert [image.name for image in library.installed(image_dir.parent, reports.append)] == ["tiny"]
    assert len(reports) == 1
    assert reports[0].startswith("image broken is left out")
    assert said in reports[0]


@pytest.mark.parametrize("name", ["../linux", "/etc/passwd", "a/../../b", ".hidden", "a//b", ""])
def test_a_manifest_cannot_name_a_file_outside_its_folder(name: str, image_dir: Path) -> None:
    path = image_dir / "1/manifest.json"
    path.write_text(path.read_text().replace('"linux":', f'"{name}":'))
    with pytest.raises(ConfigError):
        library.read_manifest(image_dir / "1")


def test_a_missing_or_short_file_is_reported_and_not_listed(image_dir: Path) -> None:
    (image_dir / "1/linux").unlink()
    (image_dir / "1/arm64/ipxe.efi").write_bytes(b"x")
    reports: list[str] = []
    [image] = library.installed(image_dir.parent, reports.append)
    assert image.files == {}
    assert "is missing; fetch it again" in reports[0]
    assert "has 1 bytes, not 7" in reports[1]


def test_check_names_each_bad_missing_and_extra_file(image_dir: Path) -> None:
    folder = image_dir / "1"
    content = bytearray((folder / "linux").read_bytes())
    content[3] ^= 0x10
    (folder / "linux").write_bytes(content)
    (folder / "arm64/ipxe.efi").unlink()
    (folder / "arm64/extra").write_bytes(b"")
    (folder / "link").symlink_to("linux")
    found = library.check(folder, library.read_manifest(folder))
    assert [line.split(":")[:2] for line in found] == [
        ["arm64/ipxe.efi", " missing"],
        ["linux", " bad"],
        ["arm64/extra", " extra"],
        ["link", " extra"],
    ]
