"""The command line of a virtual machine: which board and firmware, and what is plugged in.

Devices have the ids ``nic0``, ``nic1`` …, ``disk0`` …, ``cd0``, and are tried in that order until
somebody changes it (``bootindex``, which QMP can set).
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from netboot.errors import OperationError
from netboot.model import Mac

Firmware = Literal["uefi", "uefi-http", "secureboot", "bios", "ipxe-rom"]

_UUID_BASE = "12345678-9abc-4def-8123-"
"""Digits that show whether somebody swapped the byte order of option 97."""
_OVMF = Path("/usr/share/OVMF")


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
    def uuid(self) -> UUID:
        """Its SMBIOS UUID, made of the first MAC."""
        digits = self.nics[0].mac.replace(":", "") if self.nics else self.name.encode().hex()
        return UUID(_UUID_BASE + digits[:12].zfill(12))


@dataclass(frozen=True, slots=True)
class _Board:
    """What a kind of firmware means for QEMU.

    Attributes:
        flash: UEFI and its variables; the first pair that is installed is taken.
        romfile: the NIC's option ROM: "" for none, so that OVMF's own PXE runs; None for QEMU's
            iPXE.
    """

    machine: str
    flash: tuple[tuple[str, str], ...]
    romfile: str | None
    arguments: tuple[str, ...] = ()


def _without(*stacks: str) -> tuple[str, ...]:
    """Keep OVMF from waiting for network stacks that nobody answers (OvmfPkg/README)."""
    return tuple(
        word for stack in stacks for word in ("-fw_cfg", f"name=opt/org.tianocore/{stack},string=n")
    )


_PLAIN = (
    # the 4 MiB build is the only one in Debian 13 and later
    ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("OVMF_CODE.fd", "OVMF_VARS.fd"),
)
_MICROSOFT = (("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"),)
_NO_IPV6 = _without("IPv6PXESupport")
_BOARDS: dict[Firmware, _Board] = {
    "uefi": _Board("q35", _PLAIN, "", _NO_IPV6),
    "uefi-http": _Board("q35", _PLAIN, "", _without("IPv4PXESupport", "IPv6PXESupport")),
    "secureboot": _Board(
        "q35,smm=on",
        _MICROSOFT,
        "",
        ("-global", "driver=cfi.pflash01,property=secure,value=on", *_NO_IPV6),
    ),
    "ipxe-rom": _Board("q35", _PLAIN, None, _NO_IPV6),
    # without a graphics card SeaBIOS and its ROMs speak on the serial line
    "bios": _Board("pc,graphics=off", (), None),
}


def command(hardware: Hardware, directory: Path, monitors: Sequence[Path]) -> list[str]:
    """QEMU's argument list: a machine that is switched off.

    Its serial line is QEMU's standard output. KVM is never asked for: where guests are offered a
    broken one, the firmware hangs.

    Args:
        hardware: what it is made of.
        directory: where its own copy of the firmware's variables goes.
        monitors: sockets on which it is to speak QMP.

    Raises:
        OperationError: its firmware is not installed.
    """
    board = _BOARDS[hardware.firmware]
    words = ["qemu-system-x86_64", "-name", hardware.name, "-machine", board.machine]
    words += ["-accel", "tcg,thread=multi", "-smp", "1", "-m", str(hardware.memory)]
    words += ["-S", "-no-shutdown", "-no-user-config", "-nodefaults"]
    words += ["-display", "none", "-device", "VGA", "-device", "virtio-rng-pci"]
    words += ["-rtc", "base=utc", "-uuid", str(hardware.uuid)]
    words += ["-smbios", f"type=1,serial={hardware.name}"]
    words += ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]
    for monitor in monitors:
        words += ["-qmp", f"unix:{monitor},server=on,wait=off"]
    words += [*_flash(board, directory), *board.arguments]
    return [*words, *_devices(hardware, board.romfile)]


def _flash(board: _Board, directory: Path) -> list[str]:
    for names in board.flash:
        code, variables = (_OVMF / name for name in names)
        if code.exists() and variables.exists():
            own = shutil.copy(variables, directory / "vars.fd")
            drive = "if=pflash,format=raw"
            return [
                *("-drive", f"{drive},unit=0,readonly=on,file={code}"),
                *("-drive", f"{drive},unit=1,file={own}"),
            ]
    if board.flash:
        raise OperationError("the machine's firmware is not installed: the package is ovmf")
    return []


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
    last = first + len(hardware.disks)
    return [*words, "-device", f"ide-cd,id=cd0,bus=ide.1,bootindex={last}"]
