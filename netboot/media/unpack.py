"""Takes files out of a ``.deb`` whose hash was verified, without installing it."""

import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from netboot.errors import OperationError
from netboot.media import process
from netboot.media.library import Entry, store

LARGEST_FILE = 2 << 30
"""Bytes one file of an image may have."""


def unpack(
    deb: Path, wanted: Mapping[str, str], folder: Path, tick: Callable[[int], None]
) -> dict[str, Entry]:
    """Write the wanted members below ``folder``, readable by all.

    Args:
        deb: the package.
        wanted: served name → absolute path inside the package.
        folder: an empty folder.
        tick: called with the bytes written so far; what it raises ends the work.

    Returns:
        Served name → digest and size, as written.

    Raises:
        OperationError: a member is missing, is no regular file, or is too large.
        OSError: the disk is full.
    """
    missing = {member: name for name, member in wanted.items()}
    found: dict[str, Entry] = {}
    tick(0)
    with members(deb) as found_there:
        for archive, member in found_there:
            path = "/" + member.name.removeprefix("./")
            if path in missing:
                written = sum(entry.size for entry in found.values())
                name = missing.pop(path)
                found[name] = _write(archive, member, folder / name, partial(_add, tick, written))
            if not missing:
                break
    if missing:
        raise OperationError(f"{deb.name} has no {', '.join(sorted(missing))}")
    return {name: found[name] for name in wanted}


def _add(tick: Callable[[int], None], before: int, now: int) -> None:
    tick(before + now)


@contextmanager
def members(deb: Path) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """Stream a package's members, each with the archive to read it from.

    Leaving early ends the unpacking.

    Raises:
        OperationError: it is no package.
    """
    child = subprocess.Popen(
        process.tied(["dpkg-deb", "--fsys-tarfile", str(deb.absolute())]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
            yield ((archive, member) for member in archive)
    except (tarfile.TarError, EOFError) as error:
        raise OperationError(f"{deb.name} cannot be unpacked: {error}") from None
    finally:
        if child.stdout is not None:
            child.stdout.close()
        process.end(child)


def _write(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, tick: Callable[[int], None]
) -> Entry:
    if not member.isreg():
        raise OperationError(f"{member.name} is a link or a device in the package, not a file")
    if member.size > LARGEST_FILE:
        raise OperationError(
            f"{member.name} has {member.size} bytes; at most {LARGEST_FILE} are taken"
        )
    content = archive.extractfile(member)
    if content is None:
        raise OperationError(f"{member.name} holds nothing")
    with content:
        found = store(content, path, "/" + member.name.removeprefix("./"), tick)
    if found.size != member.size:
        raise OperationError(f"{member.name} ends after {found.size} of {member.size} bytes")
    return found
