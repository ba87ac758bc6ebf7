"""A machine without a disk: OVMF, iPXE, a real iSCSI target, and Debian on its LUN."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import rawdisk
from netboot.media.progress import silent
from netboot.model import Image
from tests.iscsi_target import IQN, LUN, Chap, Target
from tests.test_firmware_profiles import boot_sector

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
CHAP = Chap("n1", "0123456789abcdef")
WRONG = "fedcba9876543210"
LUN_MIB = 1100
"""More than the image has."""
TIMEOUT = 400
CHANGES = """
write ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key
mkdir /etc/systemd/system.conf.d
write slow.conf /etc/systemd/system.conf.d/slow.conf
"""


@pytest.fixture
def lun(lan: Lan, built: Callable[[str], Image]) -> Path:
    """Debian on a larger disk of its own, which an emulated machine on a busy one gets through.

    It has SSH keys already, which take a minute to make, and systemd's patience with devices is
    longer than its 90 s.
    """
    disk, key = lan.directory / "lun.img", lan.directory / "ssh_host_ed25519_key"
    rawdisk.write(built("debian-13-iscsi"), disk, silent)
    os.truncate(disk, LUN_MIB << 20)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (lan.directory / "slow.conf").write_text("[Manager]\nDefaultDeviceTimeoutSec=15min\n")
    (lan.directory / "changes").write_text(CHANGES)
    changed = ["debugfs", "-w", "-f", "changes", f"{disk}?offset={root_of(disk)}"]
    subprocess.run(changed, cwd=lan.directory, check=True)
    return disk


def root_of(disk: Path) -> int:
    """Where the file system of a disk's last partition begins, in bytes."""
    sectors = subprocess.check_output(["partx", "--show", "--noheadings", "-o", "START", disk])
    return int(sectors.split()[-1]) * 512


def add_volume(site: Site, portal: str, secret: str) -> None:
    file = site.data / "chap"
    file.write_text(secret)
    where = ("--target", IQN, "--portal", portal, "--lun", str(LUN))
    login = ("--chap-user", CHAP.user, "--chap-secret-file", file)
    site.netboot("volume", "add", "v1", *where, *login)
    site.netboot("volume", "attach", "v1", "n1")


def test_a_bios_machine_starts_from_its_volumes_boot_sector(lan: Lan, site: Site) -> None:
    disk = lan.directory / "lun.img"
    disk.write_bytes(boot_sector(b"this is the LUN").ljust(16 << 20, b"\0"))
    target = Target(lan, disk, CHAP)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "volume")
    add_volume(site, target.portal, CHAP.secret)
    site.serve()
    machine = Machine(lan, "n1", [MAC], "bios")
    machine.power_on()
    machine.wait_for_serial("this is the LUN", TIMEOUT)
    site.wait_for_event("n1", Kind.PROGRESS, TIMEOUT, "volume, v1 is attached")


def test_a_machine_without_a_disk_starts_from_its_volume_once_the_secret_is_right(
    lan: Lan, site: Site, lun: Path
) -> None:
    target = Target(lan, lun, CHAP)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "volume")
    add_volume(site, target.portal, WRONG)
    site.serve()
    machine = Machine(lan, "n1", [MAC])
    machine.power_on()
    failed = site.wait_for_event("n1", Kind.FAILED, TIMEOUT)
    assert failed.detail.startswith("volume v1 was not attached: a wrong CHAP name or secret")
    machine.wait_for_serial("Operation not permitted", TIMEOUT)
    machine.wait_for_serial("Asking again in 10 seconds, try 1 of 10", TIMEOUT)
    site.netboot("volume", "detach", "v1")
    site.netboot("volume", "remove", "v1")
    add_volume(site, target.portal, CHAP.secret)
    machine.reset()
    site.wait_for_event("n1", Kind.PROGRESS, TIMEOUT, "volume, v1 is attached")
    machine.wait_for_serial(r"resized filesystem to 264\d{3}", TIMEOUT)  # of 4 KiB each: all of it
    machine.wait_for_serial(r"login: ", TIMEOUT)
    assert "Initiator: iqn.2026-01.internal.netboot:n1 " in target.initiators()
    said = machine.serial_text + site.netboot("timeline", "n1", "--json").stdout
    assert CHAP.secret not in said
