"""Writes the cpio archives the Linux kernel unpacks into its first root file system.

The "newc" format of the kernel's ``Documentation/driver-api/early-userspace/buffer-format.rst``:
a header of hexadecimal fields, the name, the content, each padded to four bytes. The same files
give the same bytes: entries are sorted, belong to root and have no date.
"""

import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_BLOCK = 512
"""Bytes the archive is padded to, as cpio has it since tapes."""
_FILE = stat.S_IFREG | 0o644
_PROGRAM = stat.S_IFREG | 0o755
_FOLDER = stat.S_IFDIR | 0o755
_LINK = stat.S_IFLNK | 0o777


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Program:
    """A file that may be run."""

    content: bytes


Content = bytes | Link | Program
Tree = Mapping[str, Content]
"""Path without leading slash → content."""


def bytes_of(content: Content) -> bytes:
    """What the archive holds of a file, or of a link: its target."""
    match content:
        case Link(target):
            return target.encode()
        case Program(program):
            return program
    return content


def pack(tree: Tree, existing: Collection[str] = ()) -> Iterator[bytes]:
    """Yield an archive piece by piece.

    Args:
        tree: the files; the folders they need are added.
        existing: folders that are there already. They are left out: the kernel replaces what is
            of another kind, and a folder of an initrd before this one may really be a link.
    """
    size = 0
    for number, (path, mode, content) in enumerate(_entries(tree, existing), 1):
        for piece in _entry(number, path, mode, content):
            size += len(piece)
            yield piece
    for piece in _entry(0, _TRAILER, 0, b""):
        size += len(piece)
        yield piece
    yield bytes(-size % _BLOCK)


def _entries(tree: Tree, existing: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
    """Every folder, file and link, a folder before what is in it."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    for path in sorted(folders - {".", *existing} | tree.keys()):
        content = tree.get(path)
        if content is None:
            yield path, _FOLDER, b""
        else:
            yield path, _mode(content), bytes_of(content)


def _mode(content: Content) -> int:
    if isinstance(content, Link):
        return _LINK
    return _PROGRAM if isinstance(content, Program) else _FILE


def _entry(number: int, path: str, mode: int, content: bytes) -> Iterator[bytes]:
    name = path.encode() + b"\0"
    links = 1
    owner = group = date = device = checksum = 0
    fields = (
        *(number, mode, owner, group, links, date, len(content)),
        *(device, device, device, device, len(name), checksum),
    )
    header = _MAGIC + b"".join(b"%08X" % value for value in fields) + name
    yield header + _padding(header)
    if content:
        yield content
        yield _padding(content)


def _padding(piece: bytes) -> bytes:
    return bytes(-len(piece) % 4)
