"""Sources: an opened file stays what it was, and only a regular file is one."""

import os
from pathlib import Path

import pytest

from netboot.boot.source import BytesSource, FileSource, Source
from netboot.errors import NotServed

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "linux"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("kind", ["file", "bytes"])
@pytest.mark.parametrize(
    ("offset", "length"), [(0, 100), (100, 100), (2500, 100), (2560, 100), (0, 99_999), (0, 0)]
)
def test_reads_pieces(path: Path, kind: str, offset: int, length: int) -> None:
    source: Source = FileSource(path) if kind == "file" else BytesSource(CONTENT)
    assert source.size == len(CONTENT)
    assert source.read(offset, length) == CONTENT[offset : offset + length]
    source.close()
    source.close()


def test_a_file_that_is_switched_or_removed_goes_on_being_served(path: Path) -> None:
    source = FileSource(path)
    path.with_name("new").write_bytes(b"new")
    path.with_name("new").replace(path)
    assert source.read(0, 99_999) == CONTENT
    path.unlink()
    assert source.read(0, 99_999) == CONTENT
    source.close()


def test_a_file_that_is_cut_is_noticed(path: Path) -> None:
    source = FileSource(path)
    os.truncate(path, 10)
    with pytest.raises(NotServed, match="was cut while it was being sent"):
        source.read(0, 100)
    source.close()


def test_a_file_that_grows_ends_where_it_ended(path: Path) -> None:
    source = FileSource(path)
    with path.open("ab") as grown:
        grown.write(b"more")
    assert source.read(2500, 1000) == CONTENT[2500:]
    source.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def make_symlink(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, "No such file"),
        (lambda path: path.mkdir(), "is no regular file"),
        (make_symlink, "symbolic link"),
        (os.mkfifo, "is no regular file"),
    ],
    ids=["absent", "folder", "symlink", "FIFO"],
)
def test_only_a_regular_file_is_served(tmp_path: Path, make: object, why: str) -> None:
    path = tmp_path / "it"
    make(path)  # type: ignore[operator]
    before = open_descriptors()
    with pytest.raises(NotServed, match=why):
        FileSource(path)
    assert open_descriptors() == before


def test_a_nul_in_the_path_is_no_file() -> None:
    with pytest.raises(NotServed, match="null"):
        FileSource(Path("/tmp/a\0b"))  # noqa: S108 -- never opened


def test_a_closed_file_is_not_read() -> None:
    source = FileSource(Path(__file__))
    assert source.fileno() >= 0
    source.close()
    assert source.fileno() == -1
    with pytest.raises(NotServed, match="cannot be read"):
        source.read(0, 1)
