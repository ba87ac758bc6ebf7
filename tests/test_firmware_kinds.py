"""Real firmware of every kind that runs here reaches the installer's kernel through netboot."""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from netboot import resources
from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC, PI = "52:54:00:00:00:01", "dc:a6:32:00:00:01"
UNDIONLY = """#!ipxe
{# The ROM's own iPXE, which is old, hands on to a newer one that uses the ROM's driver. #}
iseq ${netX/chip} undionly && goto installer ||
chain tftp://{{ server.address }}/undionly.kpxe
:installer
{% include "ipxe/debian.ipxe" %}
"""


def site_with(lan: Lan, images: Path, files: Mapping[str, str]) -> Site:
    """A site whose operator has templates and profiles of these names and texts."""
    folder = lan.directory / "templates"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    settings = {"server": {"templates": [str(folder)]}}
    return Site(lan, images, "http://mirror.example/debian", settings=settings)


def shipped_profile(name: str, **changed: str) -> str:
    """The text of a profile that ships with us, with other values for some of its keys."""
    text = (resources.TEMPLATES / "profiles" / f"{name}.toml").read_text("utf-8")
    for key, value in changed.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{value}"', text)
        assert count == 1
    return text


def test_a_bios_machine_goes_on_through_undionly_and_its_roms_own_driver(
    lan_with_dhcp: Lan, images: Path
) -> None:
    profile = shipped_profile("debian-12", script="ipxe/undionly.ipxe")
    files = {"ipxe/undionly.ipxe": UNDIONLY, "profiles/undionly.toml": profile}
    site = site_with(lan_with_dhcp, images, files)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "undionly")
    site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC], "bios")
    machine.power_on()
    site.wait_for_event("n1", Kind.KERNEL, 300)  # in real mode, emulated: the initrd takes a minute
    wanted = {Kind.DISCOVER, Kind.SCRIPT, Kind.LOADER, Kind.KERNEL}
    came = [record.event.kind for record in site.timeline("n1") if record.event.kind in wanted]
    each_time = [Kind.DISCOVER, Kind.SCRIPT]
    assert [kind for kind, _ in itertools.groupby(came)] == [
        *(*each_time, Kind.LOADER),
        *(*each_time, Kind.KERNEL),
    ]


def test_an_arm64_machine_starts_its_own_installers_kernel(
    lan_with_dhcp: Lan, images: Path
) -> None:
    site = Site(lan_with_dhcp, images, "http://mirror.example/debian")
    console = ("--set", "console=ttyAMA0,115200n8")
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "debian-13-arm64", *console)
    site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC], "uefi-arm64")
    machine.power_on()
    discover = site.wait_for_event("n1", Kind.DISCOVER, 300)
    assert discover.data["arch"] == 0x0B
    loader = site.wait_for_event("n1", Kind.LOADER, 300)
    assert loader.data["file"] == "arm64/ipxe.efi"
    site.wait_for_event("n1", Kind.INITRD, 300)
    machine.wait_for_serial(r"Linux version \S+-arm64", 300)


def test_a_raspberry_pis_rom_finds_its_firmware(lan_with_dhcp: Lan, images: Path) -> None:
    profile = 'script = "ipxe/local.ipxe"\nimage = "raspberry-pi"\n'
    site = site_with(lan_with_dhcp, images, {"profiles/pi.toml": profile})
    site.netboot("node", "add", "pi", "--mac", PI, "--profile", "pi")
    site.serve()
    rom = lan_with_dhcp.host("rom")
    address = ("--addresses", rom.address or "")
    asked = ("simulate", "--interface", "eth0", "--firmware", "rpi", "--mac", PI, *address)
    Site(lan_with_dhcp, images, site.url, host=rom).netboot(*asked, "--until", "loader")
    event = site.wait_for_event("pi", Kind.FILE, 300, "start4.elf")
    assert event.data["bytes"] == (images / "raspberry-pi/current/start4.elf").stat().st_size
