"""The least that UEFI starts from a disk: an iPXE that says something on the serial line."""

import subprocess
from pathlib import Path


def bootable(disk: Path, loader: Path, message: str) -> Path:
    """Make a disk of 8 MiB that is one FAT.

    Args:
        disk: the file, which is new.
        loader: an EFI iPXE.
        message: what it says when it is started.
    """
    script = disk.with_suffix(".ipxe")
    script.write_text(f"#!ipxe\necho {message}\nsleep 3600\n", "ascii")
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    for words in (
        ["mformat", "-i", disk, "::"],
        ["mmd", "-i", disk, "::EFI", "::EFI/BOOT"],
        ["mcopy", "-i", disk, loader, "::EFI/BOOT/BOOTX64.EFI"],
        ["mcopy", "-i", disk, script, "::autoexec.ipxe"],
        ["mcopy", "-i", disk, script, "::EFI/BOOT/autoexec.ipxe"],
    ):
        subprocess.run(words, check=True)
    return disk
