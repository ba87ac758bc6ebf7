"""The installers' own kernels, with the firmware as their second initrd."""

import gzip
import hashlib
import lzma
import re
import stat
from pathlib import Path, PurePosixPath

import pytest

from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import library
from tests.newc import entries

pytestmark = pytest.mark.mirror

X64 = ("debian-12", "debian-13")
INSTALLERS = (*X64, "debian-13-arm64")
LISTS = "console=ttyS0 quiet rdinit=/usr/bin/find -- /lib/firmware/ -type f -exec sha256sum {} +"
"""What the kernel starts in the place of the installer."""
NOT_THERE = ("acenic/", "adaptec/", "cis/", "ositech/", "sun/")
"""What wired drivers name and no package of Debian has, by its beginning."""
TOO_LARGE = ("netronome/",)
SINCE_13 = ("microchip/",)
NOT_WIRED = ("mediatek/mt79",)
"""A wired driver of arm64 asks for what its chip's own wireless part would need."""


def current(images: Path, name: str) -> tuple[Path, Path]:
    """The installer's initrd, and the one of the firmware."""
    installer = library.current(images / name)
    firmware = library.current(images / f"{name}-firmware")
    return installer / "initrd.gz", firmware / "firmware.cpio.gz"


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_file_a_wired_driver_of_the_installer_asks_for_is_there(
    images: Path, installer: str
) -> None:
    initrd, firmware = current(images, installer)
    there = {name.removeprefix("lib/firmware/") for name, _, _ in unpacked(firmware)}
    asked: set[str] = set()
    for name, _, content in unpacked(initrd):
        if re.search(r"/drivers/net/(ethernet|usb|phy)/.*\.ko", name):
            module = lzma.decompress(content) if name.endswith(".xz") else content
            asked |= {named.decode() for named in re.findall(rb"(?<=\0)firmware=([^\0]+)", module)}
    assert len(asked) > 80
    excused = NOT_THERE + TOO_LARGE + NOT_WIRED + (SINCE_13 if installer == "debian-12" else ())
    assert [name for name in sorted(asked - there) if not name.startswith(excused)] == []


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_link_leads_to_a_file_that_is_there(images: Path, installer: str) -> None:
    _, firmware = current(images, installer)
    found = {name: (mode, content) for name, mode, content in unpacked(firmware)}
    links = {name: to.decode() for name, (mode, to) in found.items() if stat.S_ISLNK(mode)}
    assert links
    for name, target in links.items():
        assert str(PurePosixPath(name).parent / target) in found


@pytest.mark.root
@pytest.mark.firmware
@pytest.mark.parametrize("firmware", ["uefi", "bios"])
def test_the_installers_kernels_find_every_file_below_lib_firmware(
    lan_with_dhcp: Lan, images: Path, firmware: FirmwareKind
) -> None:
    site = Site(lan_with_dhcp, images, "http://mirror.example/debian")
    machines = {}
    for number, installer in enumerate(X64):
        mac = f"52:54:00:00:00:0{number}"
        variables = ("countdown=0", "firmware=true", f"installer_args={LISTS}")
        options = [word for variable in variables for word in ("--set", variable)]
        site.netboot("node", "add", installer, "--mac", mac, "--profile", installer, *options)
        machines[installer] = Machine(lan_with_dhcp, installer, [mac], firmware)
    site.serve()
    for machine in machines.values():
        machine.power_on()
    for installer, machine in machines.items():
        machine.wait_for_serial("Attempted to kill init", 300)
        seen = set(re.findall(r"([0-9a-f]{64})  /(lib/firmware/\S+)", machine.serial_text))
        _, cpio = current(images, installer)
        files = {
            (hashlib.sha256(content).hexdigest(), name)
            for name, mode, content in unpacked(cpio)
            if stat.S_ISREG(mode)
        }
        assert len(files) > 80
        assert files <= seen


def unpacked(initrd: Path) -> list[tuple[str, int, bytes]]:
    with gzip.open(initrd) as file:
        return list(entries(file.read()))
