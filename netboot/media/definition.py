"""What can be fetched: one TOML file per image.

A definition says where an image comes from (suite, component and package of a Debian archive)
and which files inside the package are served under which names, or which of several packages;
or which firmware of which packages becomes an initrd; or what a CD to start from is made of;
or which packages are installed as a system of its own, which is not fetched but built. It holds
no version: the archive's signed index says which one is current.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, field

from netboot import resources
from netboot.checked import Checked, convert, read_toml
from netboot.errors import ConfigError
from netboot.setting_types import Name

T = TypeVar("T")

MANIFEST = "manifest.json"
"""The one name inside an image's folder that is ours, so that no file can be served as it."""
FIRMWARE = "firmware.cpio.gz"
"""What the initrd of an image of firmware is served as."""

_FORMS = ("files", "package", "firmware", "springboard", "ramdisk", "build")
"""The tables that can say what an image is made of."""

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
ServedName = Annotated[str, Meta(pattern=rf"\A{_SEGMENT}(/{_SEGMENT})*\Z", max_length=120)]
"""A relative path whose segments start with no dot: it cannot leave its folder."""
MemberPath = Annotated[str, Meta(pattern=r"\A(/[^/\s\x00]+)+\Z", max_length=255)]
Word = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.+-]*\Z", max_length=100)]
"""A suite, component, package or architecture: what an apt source line can name."""
FirmwarePattern = Annotated[
    str, Meta(pattern=r"\A[A-Za-z0-9_*][A-Za-z0-9_*/.+-]*\Z", max_length=120)
]
"""A path below /lib/firmware; * stands for any characters, slashes too."""
PackagePattern = Annotated[str, Meta(pattern=r"\A[/*][A-Za-z0-9_*/.+-]+\Z", max_length=255)]
"""An absolute path inside a package; * stands for any characters, slashes too."""
ModulePattern = Annotated[str, Meta(pattern=r"\Akernel/[A-Za-z0-9_*/.+-]+\Z", max_length=120)]
"""A path below /lib/modules/VERSION; likewise."""


class Source(Checked, frozen=True):
    """A package of a Debian archive, or the part of it several packages are in."""

    suite: Word
    component: Word
    architecture: Word
    package: Word | None = None


class Build(Checked, frozen=True):
    """A system installed from packages into a disk of its own.

    Attributes:
        kind: ``disk`` for a machine's own disk, ``iscsi`` where the root may be on a LUN too.
        size: MiB of the disk; the system takes all of the one it is written to.
        packages: what is installed, with what they depend on.
    """

    kind: Literal["disk", "iscsi"]
    size: Annotated[int, Meta(ge=128, le=65536)]
    packages: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=500)]


class Ramdisk(Checked, frozen=True):
    """A kernel, and an initrd of our own for it.

    Attributes:
        kernel: the package that depends on the newest kernel's own.
        init: the initrd's first program, a file beside the definition.
        modules: those of the kernel that are taken; what they need comes along.
        files: package → what is taken of it, at the path it has there.
    """

    kernel: Word
    init: ServedName
    modules: Annotated[tuple[ModulePattern, ...], Meta(min_length=1)]
    files: dict[Word, Annotated[tuple[PackagePattern, ...], Meta(min_length=1)]]


class Definition(Checked, frozen=True):
    """One image.

    Attributes:
        files: served name → absolute path inside the package ``source`` names.
        package: package → the same, of each of several packages.
        firmware: package → what of it, below /lib/firmware, becomes the initrd ``FIRMWARE``.
        springboard: package → place on a CD → absolute path inside the package.
        build: what is installed, where a system is built instead of fetched.
        ramdisk: what becomes a kernel and an initrd.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    source: Source
    files: dict[ServedName, MemberPath] = field(default_factory=dict)
    package: dict[Word, Annotated[dict[ServedName, MemberPath], Meta(min_length=1)]] = field(
        default_factory=dict
    )
    firmware: dict[Word, Annotated[tuple[FirmwarePattern, ...], Meta(min_length=1)]] = field(
        default_factory=dict
    )
    springboard: dict[Word, Annotated[dict[ServedName, MemberPath], Meta(min_length=1)]] = field(
        default_factory=dict
    )
    build: Build | None = None

    ramdisk: Ramdisk | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages it is made of."""
        if self.source.package is not None:
            return (self.source.package,)
        if self.ramdisk is not None:
            return (self.ramdisk.kernel, *self.ramdisk.files)
        return (*self.package, *self.firmware, *self.springboard)

    @property
    def taken(self) -> Mapping[str, Mapping[str, str]]:
        """Package → served name → absolute path inside it, of what is served as it is."""
        if self.source.package is not None:
            return {self.source.package: self.files}
        return self.package


def definitions(folder: Path | None = None) -> Mapping[str, Definition]:
    """Read every definition, by name, in the order of their names.

    Args:
        folder: where the ``<name>.toml`` files are; the ones that ship with netboot by default.

    Raises:
        ConfigError: a file is wrong; names file, key and what is allowed.
    """
    paths = sorted((folder or resources.IMAGES).glob("*.toml"), key=lambda path: path.stem)
    return {path.stem: _read(path) for path in paths}


def fetched() -> tuple[str, ...]:
    """The names of the images that are fetched; the others are built."""
    return tuple(name for name, known in definitions().items() if known.build is None)


def known_only(names: Sequence[str], known: Mapping[str, T]) -> dict[str, T]:
    """Return those of ``known`` that are named.

    Raises:
        ConfigError: a name is unknown; lists the known ones.
    """
    for name in names:
        if name not in known:
            problem = f"{name!r} is no known image; known: {', '.join(known)}"
            raise ConfigError("command line", "", problem)
    return {name: known[name] for name in names}


def _read(path: Path) -> Definition:
    try:
        msgspec.convert(path.stem, Name)
    except msgspec.ValidationError:
        problem = "an image's name is lower-case letters, digits, dots and dashes"
        raise ConfigError(str(path), "", problem) from None
    found = convert(read_toml(path), Definition, str(path))
    forms = [form for form in _FORMS if getattr(found, form)]
    if len(forms) != 1:
        problem = f"{', '.join(_FORMS[1:-1])} or {_FORMS[-1]}: exactly one must say what is taken"
        raise ConfigError(str(path), _FORMS[0], problem)
    if bool(found.files) != (found.source.package is not None):
        problem = "names the package files are taken from, and only that"
        raise ConfigError(str(path), "source.package", problem)
    _check_names(found, path)
    return found


def _check_names(found: Definition, path: Path) -> None:
    """One name, one file: neither may be there twice."""
    taken: dict[str, str] = {}
    form = "springboard" if found.springboard else "package"
    for package, files in (found.springboard or found.taken).items():
        table = "files" if found.files else f"{form}.{package}"
        members: dict[str, str] = {}
        for name, member in files.items():
            key = f"{table}.{name}"
            if name == MANIFEST:
                raise ConfigError(str(path), key, "is reserved for netboot itself")
            if name in taken:
                raise ConfigError(str(path), key, f"is the name of a file of {taken[name]} too")
            if member in members:
                raise ConfigError(str(path), key, f"is the same file as {members[member]}")
            taken[name], members[member] = package, name
