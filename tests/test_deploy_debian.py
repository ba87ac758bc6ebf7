"""From packages to a machine: a built Debian, written to a blank disk, has the machine's name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netboot import model
from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
DISK_MIB = 1536
TIMEOUT = 600


def test_a_blank_machine_becomes_a_debian_of_its_own_name(
    lan: Lan, site: Site, built: Callable[[str], model.Image], tmp_path: Path
) -> None:
    built("debian-13-disk")
    disk = tmp_path / "blank.img"
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    variables = ("countdown=1", "console=ttyS0,115200n8", "ssh_authorized_keys=ssh-ed25519 AAAA me")
    options = [word for variable in variables for word in ("--set", variable)]
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local", *options)
    site.serve()
    site.netboot("node", "install", "n1", "--image", "debian-13-disk")
    machine = Machine(lan, "n1", [MAC], "uefi", disk=disk)
    machine.power_on()
    site.wait_for_event("n1", Kind.JOB, TIMEOUT, "install done")
    machine.wait_for_serial("n1 login:", TIMEOUT)
