"""One fake machine, the stages of its boot and what came of it."""

import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from netboot.model import Mac

_NAMESPACE = uuids.UUID("6e657462-6f6f-4000-8000-000000000000")


class Kind(StrEnum):
    """Whose behaviour a machine has."""

    BIOS = "bios"
    """A PXE ROM under BIOS (PXE 2.1)."""
    EDK2_OLD = "edk2-old"
    """UEFI PXE of the years when EDK2 lost every proxy offer with discovery options in it."""
    EDK2 = "edk2"
    HTTP = "http"
    """UEFI HTTP Boot (UEFI 2.10 section 24.7)."""
    IPXE = "ipxe"
    """A network card whose ROM is iPXE."""
    RPI = "rpi"
    """A Raspberry Pi 4's boot loader."""


class Stage(StrEnum):
    """How far a boot came, in order."""

    OFFER = "offer"
    """It has the offers it needs to go on."""
    LOADER = "loader"
    """It has read its whole network boot program."""
    SCRIPT = "script"
    KERNEL = "kernel"
    INITRD = "initrd"
    PRESEED = "preseed"


STAGES = {
    # what each kind goes through: iPXE in ROM needs no loader, a Raspberry Pi knows no script
    Kind.BIOS: tuple(Stage),
    Kind.EDK2_OLD: tuple(Stage),
    Kind.EDK2: tuple(Stage),
    Kind.HTTP: tuple(Stage),
    Kind.IPXE: tuple(stage for stage in Stage if stage is not Stage.LOADER),
    Kind.RPI: (Stage.OFFER, Stage.LOADER, Stage.KERNEL),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine about to boot.

    Attributes:
        arch: option 93 of its DHCP.
        address: the address of this host it uses for everything after DHCP.
        has_address: whether ``address`` is its alone, so that it can boot without a lease.
        xid: its first DHCP transaction; the next numbers are its own as well.
        giaddr: the relay it is behind, "" for none.
        eager: whether it goes on as soon as it can, where its firmware would go on listening.
        broadcast: whether it always asks for broadcast replies.
        uuid: its SMBIOS UUID; by default made from ``mac``.
    """

    mac: Mac
    kind: Kind
    arch: int
    address: str
    has_address: bool = False
    xid: int = 1
    giaddr: str = ""
    eager: bool = False
    broadcast: bool = False
    uuid: uuids.UUID = field(default=_NAMESPACE)

    def __post_init__(self) -> None:
        if self.uuid == _NAMESPACE:
            object.__setattr__(self, "uuid", uuids.uuid5(_NAMESPACE, self.mac))

    @property
    def serial(self) -> str:
        """Its serial number; a Raspberry Pi's stands in its TFTP paths."""
        return self.mac.replace(":", "")[-8:]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a boot ended early.

    Attributes:
        words: what the firmware itself would show.
        why: what lies behind it.
    """

    words: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.why})" if self.why else self.words


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one machine's boot.

    Attributes:
        times: seconds from its first DISCOVER to each stage it reached.
        seconds: how long it took in all.
        bytes: what it read by TFTP and HTTP, in its last boot.
        stop: None where it reached all it was asked to.
        boots: how often it began.
    """

    machine: Machine
    times: Mapping[Stage, float]
    seconds: float
    bytes: int
    stop: Stop | None
    boots: int = 1

    def after(self, seconds: float, boots: int) -> "Outcome":
        """The same as the last of several ``boots``, the first of which began so long before."""
        times = {stage: at + seconds for stage, at in self.times.items()}
        return replace(self, times=times, seconds=self.seconds + seconds, boots=boots)

    @property
    def stage(self) -> Stage | None:
        """The last stage reached, None for none."""
        return next((stage for stage in reversed(Stage) if stage in self.times), None)
