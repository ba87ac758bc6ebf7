"""A disk that BIOS and UEFI machines start from, made without a loop device or a mount.

::

    MiB  0   GRUB's boot.img in the protective MBR, and the GPT
         1   BIOS boot partition: GRUB's core.img as it is
         2   EFI system partition, FAT32: shim and GRUB
        66   root partition, the last one, so that it can grow
      last   the second GPT

UEFI specification, sections 5 (GPT) and 13.3 (EFI system partition). Sectors of 512 bytes.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from netboot.errors import OperationError
from netboot.media import tools

SECTOR = 512
"""Bytes of a sector of the disks that are built."""
MIB = 1 << 20
"""Bytes; partitions begin at multiples of it."""
ESP = 2 * MIB
"""Where the EFI system partition begins."""
ROOT = 66 * MIB
"""Where the root partition begins; it is the last one."""
_BIOS_BOOT = 1 * MIB
"""Where GRUB's core is, in a partition of its own."""

_BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649"
_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
"""Root of an x86-64 system (UAPI group, Discoverable Partitions Specification)."""
_NAMESPACE = UUID("6f3d2f3c-2d55-5d0c-9f0e-0c1c9d0c7a11")

_BOOT_CODE = 440
"""Bytes of the MBR before the disk's signature and its partition table."""
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_NOPS = b"\x90\x90"
_BLOCK_LIST = SECTOR - 12
"""In the first sector of core.img: the sector where its second one is (grub, diskboot.S)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The partitions of one image; identities are made of its name, so a build repeats them.

    Attributes:
        name: the image.
        size: MiB of the disk.
    """

    name: str
    size: int

    def uuid(self, part: str) -> UUID:
        """The identity of ``disk``, of a partition, or of the ``filesystem`` of the root."""
        return uuid5(_NAMESPACE, f"{self.name}/{part}")

    @property
    def volume_id(self) -> str:
        """The FAT's serial number, eight hexadecimal digits."""
        return self.uuid("fat").hex[:8].upper()

    @property
    def esp_uuid(self) -> str:
        """What Linux makes of it."""
        return f"{self.volume_id[:4]}-{self.volume_id[4:]}"

    @property
    def root_size(self) -> int:
        """Bytes of the root partition."""
        return (self.size - 1) * MIB - ROOT


def partition(disk: Path, layout: Layout) -> None:
    """Make a sparse disk of nothing but its partition table."""
    with disk.open("xb") as file:
        file.truncate(layout.size * MIB)
    table = disk.with_suffix(".sfdisk")
    table.write_text(_table(layout))
    tools.run(["sh", "-c", 'sfdisk -q "$1" < "$2"', "sh", disk.name, table.name], cwd=disk.parent)


def _table(layout: Layout) -> str:
    parts = (
        (_BIOS_BOOT, ESP - _BIOS_BOOT, _BIOS_BOOT_TYPE, "bios"),
        (ESP, ROOT - ESP, _ESP_TYPE, "esp"),
        (ROOT, layout.root_size, _ROOT_TYPE, "root"),
    )
    lines = ["label: gpt", f"label-id: {layout.uuid('disk')}", "unit: sectors"]
    lines += [
        f"start={start // SECTOR}, size={size // SECTOR}, type={kind},"
        f" uuid={layout.uuid(name)}, name={name}"
        for start, size, kind, name in parts
    ]
    return "\n".join([*lines, ""])


def write_esp(
    disk: Path, files: Path, layout: Layout, epoch: int, tick: Callable[[], None]
) -> None:
    """Make the EFI system partition of a folder's files, in the order of their names.

    Args:
        disk: what ``partition`` made; nothing is in the partition yet.
        files: a folder with ``EFI`` in it.
        layout: of the disk.
        epoch: their time, seconds since 1970.
        tick: what it raises ends the work.
    """
    blocks = (ROOT - ESP) >> 10
    fat = ["mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-S", str(SECTOR), "-n", "ESP"]
    fat += ["-i", layout.volume_id, "-h", str(ESP // SECTOR), f"--offset={ESP // SECTOR}"]
    tools.run([*fat, str(disk), str(blocks)], cwd=disk.parent, tick=tick)
    paths = sorted(files.rglob("*"))
    folders = [f"::{path.relative_to(files)}" for path in paths if path.is_dir()]
    _mtools(disk, epoch, tick, "mmd", *folders)
    for path in paths:
        if path.is_file():
            os.utime(path, (epoch, epoch))
            _mtools(disk, epoch, tick, "mcopy", "-m", str(path), f"::{path.relative_to(files)}")


def _mtools(disk: Path, epoch: int, tick: Callable[[], None], tool: str, *words: str) -> None:
    env = {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}
    tools.run([tool, "-i", f"{disk}@@{ESP}", *words], cwd=disk.parent, tick=tick, env=env)


def write_bios_boot(disk: Path, boot: bytes, core: bytes) -> None:
    """Write GRUB where a BIOS starts it, as grub-bios-setup would.

    Args:
        disk: what ``partition`` made.
        boot: ``boot.img``.
        core: ``core.img`` as grub-mkimage makes it for i386-pc.

    Raises:
        OperationError: GRUB's core is larger than its partition.
    """
    if len(core) > ESP - _BIOS_BOOT:
        raise OperationError(f"GRUB's core has {len(core)} bytes, its partition {ESP - _BIOS_BOOT}")
    first = _BIOS_BOOT // SECTOR
    code, loader = bytearray(boot[:_BOOT_CODE]), bytearray(core)
    struct.pack_into("<Q", code, _KERNEL_SECTOR, first)
    code[_DRIVE_CHECK : _DRIVE_CHECK + len(_NOPS)] = _NOPS  # some BIOSes pass no drive number
    struct.pack_into("<Q", loader, _BLOCK_LIST, first + 1)
    with disk.open("r+b") as file:
        file.write(code)
        file.seek(_BIOS_BOOT)
        file.write(loader)
