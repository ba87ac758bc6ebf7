"""A virtual machine with real firmware.

QEMU under plain TCG boots the very firmware that ships in the field. One process lives from
``Machine()`` to ``close()``; power goes on and off inside it, as with a machine on mains:

    off      ``stop`` + ``system_reset``: the CPU stands at its reset vector
    on       ``system_reset``, where QEMU builds the boot order anew, and ``cont``
    reset    ``system_reset``

KVM is never asked for: it is absent from most CI machines, and where guests may be offered a
broken one the firmware hangs.
"""

import re
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

from netboot.errors import OperationError
from netboot.lab.board import BOARDS, Board
from netboot.lab.namespaces import Lan
from netboot.lab.program import Program
from netboot.lab.qmp import Qmp
from netboot.model import Mac, parse_mac

FirmwareKind = Literal[
    "uefi", "uefi-http", "uefi-arm64", "secureboot", "secureboot-http", "bios", "ipxe-rom"
]

DEFAULT_MEMORY = 1024
"""MiB; the Debian installer with its initrd unpacked fits."""
START_TIMEOUT = 20.0
_PATIENT = "[Unit]\nJobRunningTimeoutSec=15min\n"
"""For a guest's systemd: one that gives its serial line up, after 90 s, has no login on it."""
_CREDENTIAL = "io.systemd.credential.binary:systemd.unit-dropin.dev-ttyS0.device"
_UUID_BASE = "12345678-9abc-4def-8123-"
"""Digits that show whether somebody swapped the byte order of option 97."""


class Machine:
    """One QEMU machine on a LAN, made switched off.

    Args:
        lan: its taps go on this LAN's bridge.
        name: for its files and for people; unique on the LAN.
        macs: one NIC each, ``nic0`` first; the first is tried first.
        firmware: ``uefi`` (OVMF's own PXE), ``uefi-http`` (OVMF, HTTP Boot only), ``ipxe-rom``
            (OVMF with QEMU's iPXE as option ROM), ``uefi-arm64`` (the same EDK2 for arm64, its own
            PXE), ``secureboot`` and ``secureboot-http`` (OVMF with Microsoft's keys, enforcing), or
            ``bios`` (SeaBIOS with QEMU's iPXE ROM).
        memory: MiB.
        disk: a raw image, id ``disk0``, tried after the NICs; what is flushed to it is in the
            host's memory at first.
        no_reboot: end QEMU where the guest would reset itself.

    Attributes:
        uuid: its SMBIOS UUID, made of the first MAC; the SMBIOS serial number is ``name``.
        taps: the name of each NIC's tap in ``lan.switch``.
        powered_at: ``time.monotonic()`` of the last power-on or reset, None before the first.

    Raises:
        OperationError: QEMU or its firmware is not installed, or did not start.
    """

    def __init__(
        self,
        lan: Lan,
        name: str,
        macs: Sequence[str],
        firmware: FirmwareKind = "uefi",
        *,
        memory: int = DEFAULT_MEMORY,
        disk: Path | None = None,
        no_reboot: bool = False,
    ) -> None:
        self.lan = lan
        self.name = name
        self.macs: tuple[Mac, ...] = tuple(parse_mac(mac) for mac in macs)
        self.uuid = UUID(_UUID_BASE + self.macs[0].replace(":", ""))
        self.firmware = firmware
        self.directory = lan.directory / f"machine-{name}"
        self.directory.mkdir()
        self.taps = tuple(lan.tap() for _ in self.macs)
        self.powered_at: float | None = None
        self._position = 0
        socket_path = self.directory / "qmp"
        self._program: Program = lan.switch.start(
            [
                *_base(name, self.uuid, memory, BOARDS[firmware], self.directory),
                "-qmp",
                f"unix:{socket_path},server=on,wait=off",
                *_nics(self.macs, self.taps, BOARDS[firmware].romfile),
                *(_disk(disk, len(self.macs)) if disk else ()),
                *(["-no-reboot"] if no_reboot else ()),
            ],
            self.directory / "serial.log",
        )
        self.qmp = self._connected(socket_path)
        lan.on_close(self.close)

    @property
    def serial_log(self) -> Path:
        """The file of everything on its serial line, raw."""
        return self._program.log

    @property
    def serial_text(self) -> str:
        """What its serial line has said since the last power-on or reset, without escapes."""
        return self._program.text_since(self._position)

    def serial_tail(self, lines: int = 12) -> str:
        """The last lines of its serial line that are not blank."""
        return self._program.tail(lines)

    def wait_for_serial(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait for a pattern in what the serial line says after the last power-on or reset.

        Raises:
            OperationError: it did not come within ``timeout`` seconds; the text has its tail.
        """
        return self._program.wait_for(pattern, timeout, since=self._position)

    def power_on(self) -> None:
        """Press the power button of a machine that is off; does nothing to one that is on."""
        if not self.is_on:
            self._mark()
            self.qmp.command("system_reset")  # the boot order may have been changed meanwhile
            self.qmp.command("cont")

    def power_off(self) -> None:
        """Pull the plug; does nothing to a machine that is off."""
        if self.is_on:
            self.qmp.command("stop")
            self.qmp.command("system_reset")

    def reset(self) -> None:
        """Press the reset button."""
        self._mark()
        self.qmp.command("system_reset")

    @property
    def is_on(self) -> bool:
        """Whether its CPU runs."""
        return bool(self.qmp.command("query-status")["running"])

    def set_bootindex(self, device: str, index: int) -> None:
        """Move a device (``nic0``, ``disk0`` …) in the order of the next power-on or reset.

        Args:
            device: its id.
            index: 0 is first; -1 takes it out. An index in use is refused: move its owner first.
        """
        self.qmp.command(
            "qom-set",
            {"path": f"/machine/peripheral/{device}", "property": "bootindex", "value": index},
        )

    def screendump(self, path: Path) -> Path:
        """Write what its screen shows as PNG; SeaBIOS here has no screen, only a serial line."""
        self.qmp.command("screendump", {"filename": str(path.absolute()), "format": "png"})
        return path

    def close(self) -> None:
        """End QEMU. Calling it twice is fine."""
        self.qmp.close()
        self._program.end()

    def _mark(self) -> None:
        self._position = self._program.position
        self.powered_at = time.monotonic()

    def _connected(self, path: Path) -> Qmp:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._program.process.poll() is None:
            try:
                return Qmp(path)
            except (OSError, OperationError):  # not there yet, or ending: its output says why
                time.sleep(0.02)  # QEMU has no other way to say that its monitor is there
        self._program.end()
        raise OperationError(f"QEMU did not start: {self._program.tail()}")


def _base(name: str, identity: UUID, memory: int, board: Board, directory: Path) -> list[str]:
    words = [board.emulator, "-name", name, "-machine", board.machine]
    words += ["-accel", "tcg,thread=multi", "-smp", "1", "-m", str(memory), "-S"]
    words += ["-no-user-config", "-nodefaults", "-display", "none", "-device", board.display]
    words += ["-device", "virtio-rng-pci", "-rtc", "base=utc", "-uuid", str(identity)]
    words += ["-smbios", f"type=1,serial={name}"]
    words += ["-smbios", f"type=11,value={_CREDENTIAL}={b64encode(_PATIENT.encode()).decode()}"]
    words += ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]
    return [*words, *board.firmware(directory)]


def _nics(macs: Sequence[Mac], taps: Sequence[str], romfile: str | None) -> list[str]:
    words = []
    for index, (mac, tap) in enumerate(zip(macs, taps, strict=True)):
        rom = "" if romfile is None else f",romfile={romfile}"
        words += [
            "-netdev",
            f"tap,id=net{index},ifname={tap},script=no,downscript=no,vhost=off",
            "-device",
            f"virtio-net-pci,id=nic{index},netdev=net{index},mac={mac},bootindex={index}{rom}",
        ]
    return words


def _disk(image: Path, bootindex: int) -> list[str]:
    return [
        "-drive",
        f"if=none,id=drive0,format=raw,cache=unsafe,file={image}",
        "-device",
        f"virtio-blk-pci,id=disk0,drive=drive0,bootindex={bootindex}",
    ]
