"""What can be fetched: one TOML file per image.

A definition says where an image comes from (suite, component and package of a Debian archive)
and which files inside the package are served under which names; or which firmware of which
packages becomes an initrd. It holds no version: the archive's signed index says which one is
current.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, field

from netboot import resources
from netboot.checked import Checked, convert, read_toml
from netboot.config import Name
from netboot.errors import ConfigError

T = TypeVar("T")

MANIFEST = "manifest.json"
"""The one name inside an image's folder that is ours, so that no file can be served as it."""
FIRMWARE = "firmware.cpio.gz"
"""What the initrd of an image of firmware is served as."""

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


class Source(Checked, frozen=True):
    """A package of a Debian archive, or the part of it several packages are in."""

    suite: Word
    component: Word
    architecture: Word
    package: Word | None = None


class Definition(Checked, frozen=True):
    """One image.

    Attributes:
        files: served name → absolute path inside the package.
        firmware: package → what of it, below /lib/firmware, becomes the initrd ``FIRMWARE``.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    source: Source
    files: dict[ServedName, MemberPath] = field(default_factory=dict)
    firmware: dict[Word, Annotated[tuple[FirmwarePattern, ...], Meta(min_length=1)]] = field(
        default_factory=dict
    )

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages it is made of."""
        if self.source.package is not None:
            return (self.source.package,)
        return tuple(self.firmware)


def definitions(folder: Path | None = None) -> Mapping[str, Definition]:
    """Read every definition, by name, in the order of their names.

    Args:
        folder: where the ``<name>.toml`` files are; the ones that ship with netboot by default.

    Raises:
        ConfigError: a file is wrong; names file, key and what is allowed.
    """
    paths = sorted((folder or resources.IMAGES).glob("*.toml"), key=lambda path: path.stem)
    return {path.stem: _read(path) for path in paths}


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
    if bool(found.files) == bool(found.firmware):
        raise ConfigError(str(path), "files", "or firmware: one of the two must say what is taken")
    if bool(found.files) != (found.source.package is not None):
        problem = "names the package files are taken from, and only that"
        raise ConfigError(str(path), "source.package", problem)
    if MANIFEST in found.files:
        raise ConfigError(str(path), f"files.{MANIFEST}", "is reserved for netboot itself")
    for member in found.files.values():
        names = [name for name, other in found.files.items() if other == member]
        if len(names) > 1:
            raise ConfigError(str(path), f"files.{names[1]}", f"is the same file as {names[0]}")
    return found
