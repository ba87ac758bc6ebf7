"""From packages to machines: a built Debian, written to a blank disk and again to the same one.

The firmware tries the disk first, as that of a machine which is installed again by its BMC's
one-time boot from the network.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from netboot import model
from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media.bootdisk import MIB, ROOT

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MACS = "52:54:00:00:00:01", "52:54:00:00:00:02"
DISK_MIB = 1536
TIMEOUT = 600
BLOCK = 4096
"""Bytes of one of the file system's blocks."""


def test_a_machine_becomes_a_debian_of_its_own_name_and_once_more_of_another_name(
    lan: Lan, site: Site, built: Callable[[str], model.Image], tmp_path: Path
) -> None:
    built("debian-13-disk")
    disk = tmp_path / "blank.img"
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    variables = ("countdown=1", "console=ttyS0,115200n8", "ssh_authorized_keys=ssh-ed25519 AAAA me")
    options = [word for variable in variables for word in ("--set", variable)]
    site.netboot("node", "add", "n1", "--mac", MACS[0], "--profile", "local", *options)
    site.serve()
    site.netboot("node", "install", "n1", "--image", "debian-13-disk")
    machine = Machine(lan, "n1", [MACS[0]], "uefi", disk=disk)
    tries_first(machine, "disk0")
    machine.power_on()
    site.wait_for_event("n1", Kind.JOB, TIMEOUT, "install done")
    becomes(machine, "n1")

    site.netboot("node", "set", "n1", "--set", "hostname=another")
    site.netboot("node", "install", "n1", "--reinstall")
    tries_first(machine, "nic0")
    machine.reset()
    machine.wait_for_serial("netboot: choosing a disk", TIMEOUT)
    tries_first(machine, "disk0")
    machine.wait_for_serial("netboot: done; starting from", TIMEOUT)
    becomes(machine, "another")

    machine.close()
    bios = Machine(lan, "bios", [MACS[1]], "bios", disk=disk)
    tries_first(bios, "disk0")
    bios.power_on()
    bios.wait_for_serial("Linux version ", TIMEOUT)


def tries_first(machine: Machine, device: str) -> None:
    """Have the firmware try a device first, from the next start on."""
    other = {"nic0": "disk0", "disk0": "nic0"}[device]
    machine.set_bootindex(device, -1)
    machine.set_bootindex(other, 1)
    machine.set_bootindex(device, 0)


def becomes(machine: Machine, name: str) -> None:
    """Wait until a machine has started as what it was made, on all of its disk."""
    machine.wait_for_serial(f"{name} login:", TIMEOUT)
    assert "Failed to start systemd-repart" not in machine.serial_text
    grown = machine.wait_for_serial(r"resizing filesystem from (\d+) to \1 blocks", TIMEOUT)
    end = ROOT + int(grown[1]) * BLOCK
    assert (DISK_MIB - 2) * MIB < end < DISK_MIB * MIB
