"""Real firmware with Secure Boot, enforcing: what it starts is what ``explain`` said it would."""

import subprocess
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
SECONDS = 300
DISK_SECTORS = 65_536
NODE = ("node", "add", "n1", "--mac", MAC, "--set", "console=ttyS0,115200n8")


@pytest.mark.parametrize(
    ("firmware", "last"),
    [
        ("secureboot", "Starting system log daemon"),
        ("secureboot-http", "Kernel is locked down from EFI Secure Boot"),
    ],
)
def test_the_signed_chain_starts_debians_installer(
    lan_with_dhcp: Lan, site: Site, firmware: FirmwareKind, last: str
) -> None:
    site.netboot(*NODE, "--profile", "debian-13", "--secure-boot", "--set", "countdown=1")
    site.serve()
    explained = site.netboot("explain", MAC).stdout
    assert "→ its loader sb/bootx64.efi, then debian-13" in explained
    machine = Machine(lan_with_dhcp, "n1", [MAC], firmware)
    machine.power_on()
    machine.wait_for_serial("This erases the disk of this machine", SECONDS)
    machine.wait_for_serial("Kernel is locked down from EFI Secure Boot", SECONDS)
    started = site.wait_for_event("n1", Kind.INITRD, SECONDS)
    assert "initrd.gz by HTTP" in started.detail
    machine.wait_for_serial(last, SECONDS)


def bootable_disk(path: Path, loaders: Path) -> Path:
    """A disk as an installed Debian leaves it: shim, and a GRUB that says it is there."""
    config = path.with_suffix(".cfg")
    config.write_text('echo "this is the disk"\nsleep 600\n')
    tools = ("mformat", "-i", path, "-C", "-T", str(DISK_SECTORS), "::")
    subprocess.run(tools, check=True, timeout=30)
    folders = ("::EFI", "::EFI/debian", "::grub")
    subprocess.run(["mmd", "-i", path, *folders], check=True, timeout=30)
    for source, target in (
        (loaders / "sb/bootx64.efi", "::EFI/debian/shimx64.efi"),
        (loaders / "sb/grubx64.efi", "::EFI/debian/grubx64.efi"),
        (config, "::grub/grub.cfg"),
    ):
        subprocess.run(["mcopy", "-i", path, source, target], check=True, timeout=30)
    return path


def test_what_is_not_signed_is_refused_by_explain_and_by_the_firmware_and_the_disk_by_neither(
    lan_with_dhcp: Lan, site: Site, images: Path
) -> None:
    site.netboot(*NODE, "--profile", "local", "--loader", "ipxe.efi", "--secure-boot")
    site.serve()
    refused = site.netboot("explain", MAC).stdout
    assert "but ipxe.efi is not signed" in refused
    assert "→ no answer" in refused
    site.netboot("node", "set", "n1", "--no-secure-boot")  # now it is given what explain refused
    disk = bootable_disk(lan_with_dhcp.directory / "disk.img", images / "secure-boot/current")
    machine = Machine(lan_with_dhcp, "n1", [MAC], "secureboot", disk=disk)
    machine.power_on()
    machine.wait_for_serial("Access Denied", SECONDS)
    site.netboot("node", "set", "n1", "--secure-boot", "--loader", "")
    machine.reset()
    machine.wait_for_serial("starting from the local disk", SECONDS)
    machine.wait_for_serial("this is the disk", SECONDS)
