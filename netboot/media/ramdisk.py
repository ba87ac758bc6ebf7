"""Builds a ramdisk of our own out of Debian's packages: a kernel, and an initrd for it.

The initrd is programs, the libraries they need, kernel modules, and an ``init`` of ours. What is
taken of which package stands in the image's definition; what is taken keeps its path. The same
packages give the same bytes.
"""

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from netboot import resources
from netboot.errors import OperationError
from netboot.media import cpio, modules
from netboot.media.definition import Ramdisk
from netboot.media.firmware import write_initrd
from netboot.media.library import Entry, store
from netboot.media.unpack import members

LARGEST_RAMDISK = 160 << 20
"""Bytes of all files of a ramdisk: they stay in the memory of every machine it is loaded on."""

KERNEL = "linux"
INITRD = "initrd.gz"

_VMLINUZ = re.compile(r"/boot/vmlinuz-(?P<version>[A-Za-z0-9.+~-]+)")
_MODULE = re.compile(r"/usr/lib/modules/[^/]+/(?P<path>kernel/.+)")
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into /usr."""


def made_as(ramdisk: Ramdisk) -> dict[str, str]:
    """Served name → what the manifest says it was made by; it differs where the recipe does."""
    recipe = repr((ramdisk.init, _init(ramdisk), ramdisk.modules, sorted(ramdisk.files.items())))
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    return {KERNEL: f"{ramdisk.kernel}: /boot/vmlinuz", INITRD: f"recipe {digest}"}


def build(
    debs: Mapping[str, Path], ramdisk: Ramdisk, folder: Path, tick: Callable[[int], None]
) -> dict[str, Entry]:
    """Write the kernel and the initrd.

    Args:
        debs: package → its file; the kernel's first.
        ramdisk: what is taken of them.
        folder: an empty folder.
        tick: called with the bytes taken so far; what it raises ends the work.

    Returns:
        Served name → digest and size, as written.

    Raises:
        OperationError: something is missing, there is too much, or a package is odd.
        OSError: the disk is full.
    """
    recipes, kernel = made_as(ramdisk), next(iter(debs.values()))
    tree: dict[str, cpio.Content] = {name: cpio.Link(f"usr/{name}") for name in _MERGED}
    tree["init"] = cpio.Program(_init(ramdisk))
    version, held, entry = _kernel(kernel, folder / KERNEL, recipes[KERNEL], tick)
    found = modules.chosen(held, ramdisk.modules)
    below = f"usr/lib/modules/{version}"
    tree |= {f"{below}/{path}": held[path] for path in found}
    tree |= {f"{below}/{name}": text for name, text in modules.tables(found).items()}
    for package, patterns in ramdisk.files.items():
        tree |= _taken(debs[package], patterns)
        tick(_size(tree))
    if _size(tree) > LARGEST_RAMDISK:
        raise OperationError(f"its files have {_size(tree)} bytes, more than {LARGEST_RAMDISK}")
    initrd = write_initrd(
        cpio.pack(tree), folder / INITRD, recipes[INITRD], lambda: tick(_size(tree))
    )
    return {KERNEL: entry, INITRD: initrd}


def _init(ramdisk: Ramdisk) -> bytes:
    return (resources.IMAGES / ramdisk.init).read_bytes()


def _kernel(
    deb: Path, target: Path, member: str, tick: Callable[[int], None]
) -> tuple[str, dict[str, bytes], Entry]:
    """Write a package's kernel; give its version, its modules as packed, and what was written."""
    version, entry, held, size = "", None, {}, 0
    for path, archive, found in _files(deb):
        if match := _VMLINUZ.fullmatch(path):
            version = match["version"]
            if (content := archive.extractfile(found)) is not None:
                entry = store(content, target, member, tick)
        elif path.endswith(modules.SUFFIX) and (match := _MODULE.fullmatch(path)):
            held[match["path"]] = _content(archive, found)
            size += found.size
            tick(size)
    if entry is None:
        raise OperationError(f"{deb.name} has no kernel")
    return version, held, entry


def _taken(deb: Path, patterns: tuple[str, ...]) -> dict[str, cpio.Content]:
    """A package's files that fit a pattern, by their paths without leading slash."""
    taken: dict[str, cpio.Content] = {}
    unmet = set(patterns)
    for path, archive, member in _files(deb):
        fitting = {pattern for pattern in patterns if fnmatchcase(path, pattern)}
        if not fitting or member.isdir():
            continue
        if member.issym() or member.islnk():
            taken[path.lstrip("/")] = cpio.Link(_target(path, member))
        else:
            content = _content(archive, member)
            taken[path.lstrip("/")] = cpio.Program(content) if member.mode & 0o111 else content
        unmet -= fitting
    if unmet:
        raise OperationError(f"{deb.name} has no {', '.join(sorted(unmet))}")
    return taken


def _target(path: str, member: tarfile.TarInfo) -> str:
    """Where a link leads; tar names another file's hard link by its path in the archive."""
    if member.issym():
        return member.linkname
    return posixpath.relpath("/" + member.linkname.removeprefix("./"), posixpath.dirname(path))


def _files(deb: Path) -> Iterator[tuple[str, tarfile.TarFile, tarfile.TarInfo]]:
    """A package's members, each with its absolute path; none leads out of the root."""
    with members(deb) as found:
        for archive, member in found:
            path = "/" + member.name.removeprefix("./")
            if ".." not in path.split("/"):
                yield path, archive, member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or member.size > LARGEST_RAMDISK:
        raise OperationError(f"{member.name} is no file, or has too many bytes: {member.size}")
    return content.read()


def _size(tree: cpio.Tree) -> int:
    return sum(len(cpio.bytes_of(content)) for content in tree.values())
