"""The command line of a virtual machine: which board and firmware, and what is plugged in.

Devices have the ids ``nic0``, ``nic1`` …, ``disk0`` …, ``cd0``, and are tried in that order until
somebody changes it (``bootindex``, which QMP can set). Where the firmware has iSCSI there is a SCSI
controller, on which ``lun`` has what it logs in to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from netboot.lab.board import BOARDS
from netboot.lab.up.lun import CONTROLLER
from netboot.model import Mac

Firmware = Literal["uefi", "uefi-http", "secureboot", "bios", "ipxe-rom"]

SERIAL, GUEST_PORT = "serial", "guest-port"
"""The names of sockets in the machine's folder."""
GUEST_PORT_NAME = "placemat"
"""The guest's end is ``/dev/virtio-ports/`` and this."""

_UUID_BASE = "12345678-9abc-4def-8123-"
"""Digits that show whether somebody swapped the byte order of option 97."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC and the tap, in QEMU's namespace, that is its wire."""

    mac: Mac
    tap: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a machine is made of.

    Attributes:
        name: its SMBIOS serial number.
        memory: MiB.
        disks: raw images.
    """

    name: str
    firmware: Firmware
    memory: int
    nics: Sequence[Nic]
    disks: Sequence[Path]

    @property
    def has_iscsi(self) -> bool:
        """Whether its firmware logs in to targets: a BIOS has no such thing."""
        return self.firmware != "bios"

    @property
    def uuid(self) -> UUID:
        """Its SMBIOS UUID, made of the first MAC."""
        digits = self.nics[0].mac.replace(":", "") if self.nics else self.name.encode().hex()
        return UUID(_UUID_BASE + digits[:12].zfill(12))


def command(hardware: Hardware, directory: Path, monitors: Sequence[Path]) -> list[str]:
    """QEMU's argument list: a machine that is switched off.

    Its serial line is a UNIX socket, ``SERIAL``, for one at a time; what the machine says there is
    QEMU's standard output too. KVM is never asked for: where guests are offered a
    broken one, the firmware hangs.

    Args:
        hardware: what it is made of.
        directory: where its own copy of the firmware's variables goes, and its sockets.
        monitors: sockets on which it is to speak QMP.

    Raises:
        OperationError: its firmware is not installed.
    """
    board = BOARDS[hardware.firmware]
    words = [board.emulator, "-name", hardware.name, "-machine", board.machine]
    words += ["-accel", "tcg,thread=multi", "-smp", "1", "-m", str(hardware.memory)]
    words += ["-S", "-no-shutdown", "-no-user-config", "-nodefaults"]
    words += ["-display", "none", "-device", board.display, "-device", "virtio-rng-pci"]
    words += ["-rtc", "base=utc", "-uuid", str(hardware.uuid)]
    words += ["-smbios", f"type=1,serial={hardware.name}"]
    serial = f"socket,id=serial,path={directory / SERIAL},server=on,wait=off"
    words += ["-chardev", f"{serial},logfile=/dev/stdout,logappend=on"]
    words += ["-serial", "chardev:serial"]
    for monitor in monitors:
        words += ["-qmp", f"unix:{monitor},server=on,wait=off"]
    words += [*board.firmware(directory)]
    return [*words, *_devices(hardware, board.romfile), *_guest_port(directory)]


def _devices(hardware: Hardware, romfile: str | None) -> list[str]:
    words = []
    rom = "" if romfile is None else f",romfile={romfile}"
    for number, nic in enumerate(hardware.nics):
        backend = f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no,vhost=off"
        device = f"virtio-net-pci,id=nic{number},netdev=net{number},mac={nic.mac}{rom}"
        words += ["-netdev", backend, "-device", f"{device},bootindex={number}"]
    first = len(hardware.nics)
    for number, image in enumerate(hardware.disks):
        drive = f"if=none,id=drive{number},format=raw,discard=unmap,file={image}"
        device = f"virtio-blk-pci,id=disk{number},drive=drive{number}"
        words += ["-drive", drive, "-device", f"{device},bootindex={first + number}"]
    if hardware.has_iscsi:
        words += ["-device", f"virtio-scsi-pci,id={CONTROLLER}"]
    last = first + len(hardware.disks)
    return [*words, "-device", f"ide-cd,id=cd0,bus=ide.1,bootindex={last}"]


def _guest_port(directory: Path) -> list[str]:
    socket = f"socket,id=guest-port,path={directory / GUEST_PORT},server=on,wait=off"
    port = f"virtserialport,chardev=guest-port,name={GUEST_PORT_NAME}"
    return ["-chardev", socket, "-device", "virtio-serial-pci,id=vserial0", "-device", port]
