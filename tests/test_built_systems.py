"""Real firmware starts what ``netboot image build`` makes of packages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netboot import model
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.media import rawdisk
from netboot.media.progress import silent

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

LARGER_MIB = 1536
TIMEOUT = 400


def test_a_built_system_starts_from_a_larger_disk_and_takes_all_of_it(
    lan: Lan, built: Callable[[str], model.Image], tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    rawdisk.write(built("debian-13-disk"), disk, silent)
    with disk.open("r+b") as file:
        file.truncate(LARGER_MIB << 20)
    machine = Machine(lan, "n1", ["52:54:00:00:00:01"], "bios", disk=disk)
    machine.set_bootindex("nic0", -1)
    machine.power_on()
    machine.wait_for_serial(r"resized filesystem to 376\d{3}", TIMEOUT)  # of 4 KiB each
    machine.wait_for_serial("localhost login:", TIMEOUT)
