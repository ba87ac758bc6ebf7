"""Volumes as people write them, checked; and what is kept and shown of one.

A CHAP secret is sealed here, before anything is kept, and no error repeats one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from netboot.bmc.credentials import KEY_FILE, Safe
from netboot.bmc.model import Secret
from netboot.checked import Checked, convert, shown
from netboot.errors import ConfigError, OperationError
from netboot.store.bmc_shapes import Sealing
from netboot.store.shapes import Unknown
from netboot.store.words import HostLabel
from netboot.volume import (
    MAX_CHAP_USER,
    MAX_HOST,
    MAX_ISCSI_NAME,
    MAX_LUN,
    PORT,
    Volume,
    check_secret,
    parse_host,
    parse_iscsi_name,
)

MAX_VOLUMES = 10_000
"""In one store."""

Port = Annotated[int, Meta(ge=1, le=65_535, description="a port: 1 to 65535")]
Lun = Annotated[int, Meta(ge=0, le=MAX_LUN, description=f"a LUN: 0 to {MAX_LUN}")]
ChapUser = Annotated[
    str,
    Meta(
        pattern=rf"^[\x21-\x7e]{{0,{MAX_CHAP_USER}}}\Z",
        description=f"at most {MAX_CHAP_USER} printable ASCII characters without spaces",
    ),
]


class VolumeEntry(Checked, frozen=True):
    """A new volume. ``chap_user`` and ``chap_secret`` are said together or not at all."""

    name: HostLabel
    target: Annotated[str, Meta(max_length=MAX_ISCSI_NAME)]
    portal: Annotated[str, Meta(max_length=MAX_HOST + 2)]
    port: Port = PORT
    lun: Lun = 1
    chap_user: ChapUser = ""
    chap_secret: str = ""


class VolumeChange(Checked, frozen=True):
    """What to change of a volume: the ``node`` it is attached to, "" for none."""

    node: Annotated[str, Meta(max_length=63)] | UnsetType = UNSET


class VolumeShown(Checked, frozen=True):
    """A volume without its secret; ``node`` is None while it is attached to none."""

    name: str
    target: str
    portal: str
    port: int
    lun: int
    chap_user: str
    node: str | None


class NewVolume(NamedTuple):
    """A checked volume, its secret sealed and nowhere else; None where it has none."""

    volume: Volume
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A volume as the store has it.

    Attributes:
        volume: without its secret.
        sealed: that, sealed; None where it has none.
        node: to which it is attached, None for none.
    """

    volume: Volume
    sealed: bytes | None = field(default=None, repr=False)
    node: str | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.volume.name

    def opened(self, safe: Safe) -> Volume:
        """The volume with its secret.

        Raises:
            OperationError: the safe does not open it.
        """
        if self.sealed is None:
            return self.volume
        try:
            secret = safe.open(sealed_for(self.name), self.sealed)
        except OperationError:
            problem = f"{KEY_FILE} does not open the CHAP secret of volume {self.name}"
            raise OperationError(f"{problem}; detach it, remove it and add it again") from None
        return replace(self.volume, chap_secret=secret.reveal())


Opening = Callable[[Kept], Volume]
"""Gives a volume with its secret, or as it is where that cannot be known."""


def volume_of(raw: object, safe: Sealing, source: str) -> NewVolume:
    """Check a new volume, and seal its secret.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    if isinstance(raw, Mapping) and not isinstance(raw.get("chap_secret", ""), str):
        raise ConfigError(source, "chap_secret", "must be text")  # convert would repeat it
    entry = convert(raw, VolumeEntry, source)
    try:
        parse_iscsi_name(entry.target)
    except ValueError as error:
        raise ConfigError(source, "target", f"= {shown(entry.target)}: {error}") from None
    try:
        host = parse_host(entry.portal)
    except ValueError as error:
        raise ConfigError(source, "portal", f"= {shown(entry.portal)}: {error}") from None
    sealed = _sealed(entry, safe, source)
    volume = Volume(entry.name, entry.target, host, entry.port, entry.lun, entry.chap_user)
    return NewVolume(volume, sealed)


def volume_change_of(raw: object, source: str) -> str | None:
    """The node that a change attaches a volume to, None for none.

    Raises:
        ConfigError: it says nothing, or something else.
    """
    change = convert(raw, VolumeChange, source)
    if isinstance(change.node, UnsetType):
        raise ConfigError(source, "node", 'is missing: a node\'s name, or "" for none')
    return change.node or None


def volume_shown(kept: Kept) -> VolumeShown:
    """What may be shown of a volume."""
    volume = kept.volume
    return VolumeShown(
        name=volume.name,
        target=volume.target,
        portal=volume.portal,
        port=volume.port,
        lun=volume.lun,
        chap_user=volume.chap_user,
        node=kept.node,
    )


def volume_without_secret(one: VolumeShown) -> Volume:
    """The volume that was shown."""
    return Volume(one.name, one.target, one.portal, one.port, one.lun, one.chap_user)


def unknown_volume(name: str, source: str) -> Unknown:
    """The error for a name no volume has."""
    return Unknown(source, "", f"no volume is called {shown(name)}")


def sealed_for(name: str) -> str:
    """What a volume's secret is sealed for: no node can be called that."""
    return f"volume {name}"


def _sealed(entry: VolumeEntry, safe: Sealing, source: str) -> bytes | None:
    if bool(entry.chap_user) != bool(entry.chap_secret):
        missing = "chap_secret" if entry.chap_user else "chap_user"
        raise ConfigError(source, missing, "is missing: CHAP needs a name and a secret")
    if not entry.chap_secret:
        return None
    try:
        check_secret(entry.chap_secret)
    except ValueError as error:
        raise ConfigError(source, "chap_secret", str(error)) from None
    return safe().seal(sealed_for(entry.name), Secret(entry.chap_secret))
