"""Builds an initrd of network cards' firmware out of Debian's packages.

It is a second initrd, loaded after the installer's own, whose kernel then finds the files below
``/lib/firmware``. It is compressed, because only a compressed initrd may follow another one at
any byte, and padded to four bytes, so that anything may follow it.
"""

import gzip
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from netboot.errors import OperationError
from netboot.media import cpio
from netboot.media.library import Entry
from netboot.media.unpack import members

LARGEST_FIRMWARE = 64 << 20
"""Bytes of firmware in all: it stays in the memory of every machine it is loaded on."""

_FOLDER = "lib/firmware"
_IN_PACKAGE = ("/lib/firmware/", "/usr/lib/firmware/")
"""Before Debian 13 and since."""
_ALIGNED = 4
_LEVEL = 6
"""Of gzip: the next ones take twice the time for one hundredth of the size."""

Wanted = Mapping[str, tuple[str, ...]]
"""Package → patterns of paths below /lib/firmware, in which * also stands for slashes."""


def recipe(wanted: Wanted) -> str:
    """What the initrd is made of, in one line."""
    return " ".join(f"{package}:{pattern}" for package in wanted for pattern in wanted[package])


def build(
    debs: Mapping[str, Path], wanted: Wanted, target: Path, tick: Callable[[int], None]
) -> Entry:
    """Write the initrd of the firmware that is wanted.

    Args:
        debs: package → its file.
        wanted: what of each package is taken.
        target: the file to write.
        tick: called with the bytes taken so far; what it raises ends the work.

    Returns:
        The digest and size of what was written.

    Raises:
        OperationError: a pattern fits nothing, there is too much, or a package is odd.
        OSError: the disk is full.
    """
    tree: dict[str, cpio.Content] = {}
    size = 0
    for package, patterns in wanted.items():
        for path, content in _wanted(debs[package], patterns):
            size += len(content) if isinstance(content, bytes) else 0
            if size > LARGEST_FIRMWARE:
                raise OperationError(
                    f"{debs[package].name} brings the firmware beyond {LARGEST_FIRMWARE} bytes"
                )
            tree[f"{_FOLDER}/{path}"] = content
            tick(size)
    packed = cpio.pack(tree, existing=(posixpath.dirname(_FOLDER),))
    return write_initrd(packed, target, recipe(wanted), lambda: tick(size))


def _wanted(deb: Path, patterns: Iterable[str]) -> Iterator[tuple[str, bytes | cpio.Link]]:
    """A package's files that fit a pattern, each with its path below ``/lib/firmware``."""
    unmet = set(patterns)
    with members(deb) as found:
        for archive, member in found:
            path = _below_firmware("/" + member.name.removeprefix("./"))
            fitting = {pattern for pattern in patterns if path and fnmatchcase(path, pattern)}
            if not fitting or member.isdir():
                continue
            if member.issym():
                yield path, cpio.Link(member.linkname)
            elif member.isreg() and (content := archive.extractfile(member)):
                if member.size > LARGEST_FIRMWARE:
                    raise OperationError(f"{member.name} has {member.size} bytes")
                yield path, content.read()
            else:
                raise OperationError(f"{member.name} is neither a file nor a symbolic link")
            unmet -= fitting
    if unmet:
        raise OperationError(f"{deb.name} has no firmware {', '.join(sorted(unmet))}")


def _below_firmware(path: str) -> str:
    """The path below the firmware folder, "" for what is elsewhere."""
    if ".." in path.split("/"):
        return ""
    return next((path.removeprefix(f) for f in _IN_PACKAGE if path.startswith(f)), "")


def write_initrd(
    pieces: Iterable[bytes], target: Path, member: str, tick: Callable[[], None]
) -> Entry:
    """Write an archive's pieces as an initrd: compressed, and padded so that another may follow.

    Args:
        pieces: what ``cpio.pack`` gave.
        target: the file to write.
        member: what it was made by, for the manifest.
        tick: called after each piece; what it raises ends the work.

    Raises:
        OSError: the disk is full.
    """
    with target.open("xb") as file:
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            for piece in pieces:
                packed.write(piece)
                tick()
        file.write(bytes(-file.tell() % _ALIGNED))
        os.fchmod(file.fileno(), 0o644)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(sha256=digest, size=target.stat().st_size, member=member)
