"""Kernel modules: which of them a ramdisk needs, and the tables ``modprobe`` finds them by.

Debian's kernel packages hold no such tables: ``depmod`` makes them where a kernel is installed.
Here they are made of what each module says of itself in its section ``.modinfo`` (the kernel's
``include/linux/module.h``), so that the machine that builds needs no kernel tools.
"""

import lzma
import posixpath
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from netboot.errors import OperationError

SUFFIX = ".ko.xz"
"""How the name of a module's file ends in Debian, since 13."""

LARGEST_MODULE = 64 << 20
"""Bytes of one module, unpacked."""

_ELF = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_HEADER = struct.Struct("<40x Q 10x HHH")
_SECTION = struct.Struct("<I 20x QQ")
_SECTION_SIZE = 64


@dataclass(frozen=True, slots=True)
class Module:
    """What a module says of itself.

    Attributes:
        needs: names of the modules that must be loaded before it.
        wants: names of those that should be, where they are there (``softdep``).
        aliases: what devices, file systems and ciphers it is for.
    """

    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def name_of(path: str) -> str:
    """A module's name by its file's: ``…/virtio-rng.ko.xz`` is ``virtio_rng``."""
    return posixpath.basename(path).removesuffix(SUFFIX).replace("-", "_")


def chosen(files: Mapping[str, bytes], patterns: Collection[str]) -> dict[str, Module]:
    """The modules that fit a pattern, and all that these need.

    Args:
        files: path below the kernel's folder → content, packed.
        patterns: of paths, in which * also stands for slashes.

    Returns:
        path → what it says of itself, in the order of the paths.

    Raises:
        OperationError: a pattern fits nothing, or a module is odd.
    """
    paths = {name_of(path): path for path in files}
    found: dict[str, Module] = {}
    waiting = []
    for pattern in patterns:
        fitting = [path for path in files if fnmatchcase(path, pattern)]
        if not fitting:
            raise OperationError(f"the kernel has no module {pattern}")
        waiting += fitting
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = module = read(path, files[path])
            waiting += (paths[name] for name in (*module.needs, *module.wants) if name in paths)
    return dict(sorted(found.items()))


def read(path: str, packed: bytes) -> Module:
    """Read what a module says of itself.

    Raises:
        OperationError: it is no module.
    """
    try:
        content = lzma.LZMADecompressor().decompress(packed, LARGEST_MODULE)
        said = [line for line in _section(content, b".modinfo").split(b"\0") if line]
    except (lzma.LZMAError, struct.error, IndexError, ValueError) as error:
        raise OperationError(f"{path} is no kernel module: {error}") from None
    pairs = [line.decode("utf-8", "replace").partition("=")[::2] for line in said]
    needs = [value for key, value in pairs if key == "depends" and value]
    wants = [value for key, value in pairs if key == "softdep"]
    return Module(
        needs=_names(needs, ","),
        wants=_names((text.partition("pre:")[2].partition("post:")[0] for text in wants), " "),
        aliases=tuple(value for key, value in pairs if key == "alias"),
    )


def tables(modules: Mapping[str, Module]) -> dict[str, bytes]:
    """``modules.dep`` and ``modules.alias`` as modprobe reads them (modules.dep(5))."""
    paths = {name_of(path): path for path in modules}
    needed = (f"{path}: {' '.join(_before(path, modules, paths))}".rstrip() for path in modules)
    aliases = (
        f"alias {alias} {name_of(path)}" for path in modules for alias in modules[path].aliases
    )
    return {"modules.dep": _lines(needed), "modules.alias": _lines(aliases)}


def _before(path: str, modules: Mapping[str, Module], paths: Mapping[str, str]) -> list[str]:
    """All that ``path`` needs, each before what it needs itself."""
    order: dict[str, None] = {}

    def visit(at: str) -> None:
        for name in modules[at].needs:
            if name in paths and paths[name] not in order:
                visit(paths[name])
        order[at] = None

    visit(path)
    return [one for one in reversed(order) if one != path]


def _section(content: bytes, wanted: bytes) -> bytes:
    """A section of an ELF file by its name (System V ABI, chapter 4)."""
    if not content.startswith(_ELF):
        raise ValueError("it is no ELF file of 64 bits")
    at, size, count, names = _HEADER.unpack_from(content)
    if size != _SECTION_SIZE:
        raise ValueError("its section headers are odd")
    sections = [_SECTION.unpack_from(content, at + number * size) for number in range(count)]
    _, text, _ = sections[names]
    for name, offset, length in sections:
        if content.startswith(wanted + b"\0", text + name):
            return content[offset : offset + length]
    return b""


def _names(values: Iterable[str], between: str) -> tuple[str, ...]:
    words = (word.strip() for value in values for word in value.split(between))
    return tuple(word.replace("-", "_") for word in words if word)


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
