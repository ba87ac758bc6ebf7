"""A disk image of a few megabytes that real firmware starts: iPXE says so on the serial line.

Its second partition holds what looks like a Linux to whoever makes it a machine's own. No root is
needed to make it, and none to look into it.
"""

import subprocess
from pathlib import Path

SAYS = "the tiny disk started"
AUTOEXEC = f"#!ipxe\necho {SAYS}\nsleep 3600\n"
MIB = 1 << 20
BOOT_AT, BOOT_MIB = 1, 4
ROOT_AT, ROOT_MIB = 5, 50
SIZE = (ROOT_AT + ROOT_MIB + 1) * MIB
LAYOUT = f"""label: gpt
start={BOOT_AT}MiB, size={BOOT_MIB}MiB, type=uefi
start={ROOT_AT}MiB, size={ROOT_MIB}MiB, type=linux
"""
SYSTEM = {
    "etc/hostname": "unnamed\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tunnamed\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/shadow": "root:*:20000:0:99999:7:::\n",
    "root/.profile": "",
    "usr/bin/env": "",
}


def make(folder: Path, loader: Path, filler: bytes) -> Path:
    """Make a raw disk image.

    Args:
        folder: an empty folder.
        loader: an EFI iPXE, which is started from the disk.
        filler: what a file of the second partition holds.
    """
    disk, boot, root, tree = (folder / name for name in ("disk.raw", "boot", "root", "tree"))
    for name, text in SYSTEM.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        (tree / name).chmod(0o755 if "/bin/" in name else 0o644)
    (tree / "filler").write_bytes(filler)
    (folder / "autoexec.ipxe").write_text(AUTOEXEC)
    _run("truncate", "-s", f"{BOOT_MIB}M", boot)
    _run("mformat", "-i", boot, "::")
    _run("mmd", "-i", boot, "::EFI", "::EFI/BOOT")
    _run("mcopy", "-i", boot, loader, "::EFI/BOOT/BOOTX64.EFI")
    for place in ("::", "::EFI/BOOT/"):
        _run("mcopy", "-i", boot, folder / "autoexec.ipxe", place)
    _run("mkfs.ext4", "-q", "-d", tree, root, f"{ROOT_MIB}M")
    _run("truncate", "-s", SIZE, disk)
    _run("sfdisk", "-q", disk, text=LAYOUT)
    with disk.open("r+b") as file:
        for content, at in ((boot, BOOT_AT), (root, ROOT_AT)):
            file.seek(at * MIB)
            file.write(content.read_bytes())
    return disk


def packed(disk: Path) -> Path:
    """The same by zstd."""
    target = disk.with_name(f"{disk.name}.zst")
    _run("zstd", "-q", disk, "-o", target)
    return target


def read(disk: Path, path: str) -> str:
    """A file of a disk's file system."""
    return _run("debugfs", "-R", f"cat {path}", f"{disk}?offset={ROOT_AT * MIB}")


def file_system_size(disk: Path) -> int:
    """The bytes of a disk's file system."""
    lines = _run("debugfs", "-R", "stats -h", f"{disk}?offset={ROOT_AT * MIB}").splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(said["Block count"]) * int(said["Block size"])


def _run(*command: str | int | Path, text: str = "") -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    return done.stdout
