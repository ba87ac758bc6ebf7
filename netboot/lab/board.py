"""Boards and firmware for virtual machines, as QEMU is told of them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netboot.errors import OperationError

Firmware = Literal[
    "uefi", "uefi-http", "uefi-arm64", "secureboot", "secureboot-http", "bios", "ipxe-rom"
]


@dataclass(frozen=True, slots=True)
class Flash:
    """UEFI firmware in flash memory.

    Attributes:
        package: Debian's, for people.
        images: the firmware and its variables; the first pair that is installed is taken.
    """

    package: str
    images: tuple[tuple[Path, Path], ...]

    def arguments(self, directory: Path) -> list[str]:
        """Plug it in, with a copy of its variables in ``directory``.

        Raises:
            OperationError: it is not installed.
        """
        for code, variables in self.images:
            if code.exists() and variables.exists():
                own = shutil.copy(variables, directory / "vars.fd")
                drive = "if=pflash,format=raw"
                return [
                    *("-drive", f"{drive},unit=0,readonly=on,file={code}"),
                    *("-drive", f"{drive},unit=1,file={own}"),
                ]
        problem = "the machine's firmware is not installed: the package is"
        raise OperationError(f"{problem} {self.package}")


@dataclass(frozen=True, slots=True)
class Board:
    """What a kind of firmware means for QEMU.

    Attributes:
        machine: QEMU's name of the board.
        flash: None for SeaBIOS, which QEMU brings with it.
        romfile: the NIC's option ROM: "" for none, so that OVMF's own PXE runs; None for QEMU's
            iPXE.
        options: what else it needs.
    """

    machine: str
    flash: Flash | None
    romfile: str | None
    options: tuple[str, ...] = ()
    emulator: str = "qemu-system-x86_64"
    display: str = "VGA"

    def firmware(self, directory: Path) -> list[str]:
        """QEMU's arguments for flash memory and options.

        Raises:
            OperationError: its firmware is not installed.
        """
        return [*(self.flash.arguments(directory) if self.flash else ()), *self.options]


def _without(*stacks: str) -> tuple[str, ...]:
    """Keep OVMF from waiting for network stacks that nobody answers (OvmfPkg/README)."""
    return tuple(
        word for stack in stacks for word in ("-fw_cfg", f"name=opt/org.tianocore/{stack},string=n")
    )


_OVMF, _AAVMF = Path("/usr/share/OVMF"), Path("/usr/share/AAVMF")
_PLAIN = Flash(
    "ovmf",
    (
        # the 4 MiB build is the only one in Debian 13 and later
        (_OVMF / "OVMF_CODE_4M.fd", _OVMF / "OVMF_VARS_4M.fd"),
        (_OVMF / "OVMF_CODE.fd", _OVMF / "OVMF_VARS.fd"),
    ),
)
_MICROSOFT = Flash("ovmf", ((_OVMF / "OVMF_CODE_4M.ms.fd", _OVMF / "OVMF_VARS_4M.ms.fd"),))
_ARM64 = Flash("qemu-efi-aarch64", ((_AAVMF / "AAVMF_CODE.fd", _AAVMF / "AAVMF_VARS.fd"),))
_NO_IPV6 = _without("IPv6PXESupport")

BOARDS: dict[Firmware, Board] = {
    "uefi": Board("q35", _PLAIN, "", _NO_IPV6),
    "uefi-http": Board("q35", _PLAIN, "", _without("IPv4PXESupport", "IPv6PXESupport")),
    "uefi-arm64": Board(
        "virt,gic-version=3",
        _ARM64,
        "",
        ("-cpu", "cortex-a57", *_NO_IPV6),
        emulator="qemu-system-aarch64",
        display="ramfb",
    ),
    "secureboot": Board(
        "q35,smm=on",
        _MICROSOFT,
        "",
        ("-global", "driver=cfi.pflash01,property=secure,value=on", *_NO_IPV6),
    ),
    "ipxe-rom": Board("q35", _PLAIN, None, _NO_IPV6),
    "secureboot-http": Board(
        "q35,smm=on",
        _MICROSOFT,
        "",
        (
            *("-global", "driver=cfi.pflash01,property=secure,value=on"),
            *_without("IPv4PXESupport", "IPv6PXESupport"),
        ),
    ),
    # without a graphics card SeaBIOS and its ROMs speak on the serial line
    "bios": Board("pc,graphics=off", None, None),
}
