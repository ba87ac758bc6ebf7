"""The installers' own kernels, with the firmware as their second initrd."""

import gzip
import hashlib
import lzma
import re
import stat
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from netboot import config
from netboot.media import library
from netboot.media.fetch import fetch
from netboot.media.progress import silent
from tests.conftest import CACHE
from tests.newc import entries

pytestmark = [pytest.mark.mirror, pytest.mark.timeout(300)]

VERSIONS = ("12", "13")
BOOT_TIME = 100
"""Seconds for a kernel and a shell under plain TCG on a busy machine; 10 on an idle one."""
LISTS = "find /lib/firmware/ -type f -exec sha256sum {} +"
NOT_THERE = ("acenic/", "adaptec/", "cis/", "ositech/", "sun/")
"""What wired drivers name and no package of Debian has, by its beginning."""
TOO_LARGE = ("netronome/",)
SINCE_13 = ("microchip/",)


@pytest.fixture(scope="module")
def images() -> Path:
    settings = config.Settings(server=config.Server(data_dir=str(CACHE)))
    names = [f"debian-{version}{part}" for version in VERSIONS for part in ("", "-firmware")]
    fetch(names, settings, silent)
    return settings.images_dir


def current(images: Path, version: str) -> tuple[Path, Path, Path]:
    """Kernel, initrd, firmware."""
    installer = library.current(images / f"debian-{version}")
    firmware = library.current(images / f"debian-{version}-firmware")
    return installer / "linux", installer / "initrd.gz", firmware / "firmware.cpio.gz"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_file_a_wired_driver_of_the_installer_asks_for_is_there(
    images: Path, version: str
) -> None:
    _, initrd, firmware = current(images, version)
    there = {name.removeprefix("lib/firmware/") for name, _, _ in unpacked(firmware)}
    asked: set[str] = set()
    for name, _, content in unpacked(initrd):
        if re.search(r"/drivers/net/(ethernet|usb|phy)/.*\.ko", name):
            module = lzma.decompress(content) if name.endswith(".xz") else content
            asked |= {named.decode() for named in re.findall(rb"(?<=\0)firmware=([^\0]+)", module)}
    assert len(asked) > 80
    excused = NOT_THERE + TOO_LARGE + (SINCE_13 if version == "12" else ())
    assert [name for name in sorted(asked - there) if not name.startswith(excused)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_link_leads_to_a_file_that_is_there(images: Path, version: str) -> None:
    found = {name: (mode, content) for name, mode, content in unpacked(current(images, version)[2])}
    links = {name: to.decode() for name, (mode, to) in found.items() if stat.S_ISLNK(mode)}
    assert links
    for name, target in links.items():
        assert str(PurePosixPath(name).parent / target) in found


@pytest.mark.firmware
@pytest.mark.parametrize("version", VERSIONS)
def test_the_installers_kernel_finds_every_file_below_lib_firmware(
    images: Path, version: str, tmp_path: Path
) -> None:
    kernel, initrd, firmware = current(images, version)
    both = tmp_path / "initrd"
    both.write_bytes(initrd.read_bytes() + firmware.read_bytes())
    command = [
        *("qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-nodefaults", "-no-reboot"),
        *("-display", "none", "-serial", "stdio", "-kernel", str(kernel), "-initrd", str(both)),
        *("-append", f'console=ttyS0 quiet panic=-1 rdinit=/bin/sh -- -c "{LISTS}"'),
    ]
    said = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=BOOT_TIME
    ).stdout.decode("utf-8", "replace")
    seen = set(re.findall(r"([0-9a-f]{64})  /(lib/firmware/\S+)", said))
    files = [(name, content) for name, mode, content in unpacked(firmware) if stat.S_ISREG(mode)]
    assert len(files) > 80
    assert {(hashlib.sha256(content).hexdigest(), name) for name, content in files} <= seen


def unpacked(initrd: Path) -> list[tuple[str, int, bytes]]:
    with gzip.open(initrd) as file:
        return list(entries(file.read()))
