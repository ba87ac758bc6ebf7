"""What a virtual BMC needs of the machine it stands beside, and one that exists in memory only."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

KEPT_BOOTS = 1000
"""Boots a ``FakeMachine`` remembers."""


class BootDevice(StrEnum):
    """Where a machine can start from."""

    NETWORK = "network"
    HTTP = "http"
    DISK = "disk"
    CD = "cd"
    USB = "usb"
    ISCSI = "iscsi"
    SETUP = "setup"  # the firmware's own menus


@dataclass(frozen=True, slots=True)
class IscsiDrive:
    """A LUN that the firmware logs in to.

    Attributes:
        target: its target's IQN.
        portal: the portal's address.
        port: likewise, TCP.
        lun: its number.
        initiator: who the machine is to the target.
        user: by CHAP; "" without.
        secret: likewise.
    """

    target: str
    portal: str
    port: int
    lun: int
    initiator: str
    user: str = ""
    secret: str = field(default="", repr=False)


class Refused(Exception):  # noqa: N818 -- an answer of the machine, which the BMC passes on
    """The machine will not do what was asked; the text says why."""


class VirtualMachine(Protocol):
    """A machine under a BMC's hands. Calls may block; only one is made at a time."""

    @property
    def name(self) -> str:
        """Its serial number."""

    @property
    def uuid(self) -> UUID:
        """Its SMBIOS UUID."""

    @property
    def macs(self) -> Sequence[str]:
        """Of its NICs, lower case with colons."""

    @property
    def memory_mib(self) -> int:
        """Its memory."""

    @property
    def cpus(self) -> int:
        """Its processor cores."""

    @property
    def boot_devices(self) -> frozenset[BootDevice]:
        """What it can be told to start from."""

    @property
    def boot_order(self) -> Sequence[BootDevice]:
        """What it tries in turn where it is told nothing else."""

    @property
    def modes(self) -> Sequence[str]:
        """Its firmware's, the usual one first: ``UEFI``, ``Legacy``."""

    @property
    def is_on(self) -> bool:
        """Whether it runs."""

    @property
    def starts(self) -> int:
        """How often it has started: by power-on, by reset, by its own reboot."""

    def power_on(self) -> None:
        """Start it; does nothing to one that is on."""

    def power_off(self) -> None:
        """Pull the plug; does nothing to one that is off."""

    def reset(self) -> None:
        """Press the reset button of one that is on."""

    def shutdown(self) -> None:
        """Ask its system to shut down, which it may ignore."""

    def set_boot(self, device: BootDevice | None, *, once: bool, url: str = "") -> None:
        """Say what it starts from next, or with ``once`` false always; None: its own order.

        Args:
            device: one of ``boot_devices``.
            once: used up by the next start, whoever causes it.
            url: what HTTP boot loads; "" leaves it to DHCP.

        Raises:
            Refused: it cannot start so.
        """

    def set_boot_order(self, order: Sequence[BootDevice]) -> None:
        """Have it try these in turn, from the next start on, where ``set_boot`` said nothing."""

    def set_iscsi(self, drive: IscsiDrive | None) -> None:
        """Have the firmware log in to ``drive`` from the next start on; None: to none.

        It boots from it where its order has ``ISCSI``, else before the network, or when it is told
        ``ISCSI``.
        """

    def insert(self, slot: str, image: str) -> None:
        """Put the image at a URL (or a local path) into a slot.

        Raises:
            Refused: the image cannot be read.
        """

    def eject(self, slot: str) -> None:
        """Empty a slot; does nothing to an empty one."""


class FakeMachine:
    """A machine in memory that writes down what it started from.

    Attributes:
        boot_order: what it tries in turn: the first that is there.
        boots: the device of each start, with the URL of an HTTP boot, the image of a CD or the LUN
            after a space.
        media: what is in which slot.
        iscsi: what its firmware logs in to.
    """

    memory_mib = 4096
    cpus = 2
    boot_devices = frozenset(BootDevice)
    modes = ("UEFI", "Legacy")

    def __init__(self, macs: Sequence[str] = ("52:54:00:00:00:01",), name: str = "fake") -> None:
        self.name = name
        self.macs = tuple(macs)
        self.uuid = UUID("12345678-9abc-4def-8123-" + self.macs[0].replace(":", ""))
        self.boot_order: Sequence[BootDevice] = (
            BootDevice.DISK,
            BootDevice.NETWORK,
            BootDevice.CD,
        )
        self.boots: deque[str] = deque(maxlen=KEPT_BOOTS)
        self.media: dict[str, str] = {}
        self.iscsi: IscsiDrive | None = None
        self.starts = 0
        self.is_on = False
        self._next: tuple[BootDevice, bool, str] | None = None
        self._lock = threading.Lock()

    def power_on(self) -> None:
        """Start from what it was told."""
        if not self.is_on:
            self._start()

    def power_off(self) -> None:
        """Be off."""
        self.is_on = False

    def reset(self) -> None:
        """Start from what it was told; also what a reboot by its own system does."""
        if self.is_on:
            self._start()

    def shutdown(self) -> None:
        """Be off: its system obeys."""
        self.power_off()

    def set_boot(self, device: BootDevice | None, *, once: bool, url: str = "") -> None:
        """Keep it for the next start."""
        with self._lock:
            self._next = None if device is None else (device, once, url)

    def set_boot_order(self, order: Sequence[BootDevice]) -> None:
        """Keep it for the next start."""
        self.boot_order = order

    def set_iscsi(self, drive: IscsiDrive | None) -> None:
        """Keep it for the next start."""
        self.iscsi = drive

    def insert(self, slot: str, image: str) -> None:
        """Take any image."""
        self.media[slot] = image

    def eject(self, slot: str) -> None:
        """Forget the image."""
        self.media.pop(slot, None)

    def _start(self) -> None:
        with self._lock:
            there = [one for one in self.boot_order if one is not BootDevice.ISCSI or self.iscsi]
            device, once, url = self._next or (there[0], False, "")
            self._next = None if once else self._next
            said = url if device is BootDevice.HTTP else ""
            if device is BootDevice.ISCSI and self.iscsi:
                said = f"{self.iscsi.target}/{self.iscsi.lun}"
            if device is BootDevice.CD:
                said = next(iter(self.media.values()), "")
            self.boots.append(f"{device} {said}".rstrip())
            self.starts += 1
            self.is_on = True
