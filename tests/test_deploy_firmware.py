"""A disk image straight to a blank disk, by real firmware: written, grown, named, and started."""

import random
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import own
from netboot.media.progress import silent
from tests import tiny_disk

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
DISK_MIB = 96
FILLER_MIB = 40
STAGES = ("early", "partition", "write", "verify", "grow", "late")


def own_images(images: Path, folder: Path) -> Path:
    """The cached images, and a folder in which a test has some of its own beside them."""
    folder.mkdir()
    for image in images.iterdir():
        if not image.name.startswith("."):
            (folder / image.name).symlink_to(image)
    return folder


def blank_disk(folder: Path) -> Path:
    disk = folder / "blank.img"
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    return disk


@pytest.fixture
def deploying(lan_with_dhcp: Lan, images: Path, tmp_path: Path) -> Site:
    """A site with a disk image of its own, and a node that would start from its disk."""
    here = own_images(images, tmp_path / "images")
    (tmp_path / "tiny").mkdir()
    filler = random.Random(1).randbytes(FILLER_MIB << 20)  # noqa: S311 -- only to be incompressible
    disk = tiny_disk.make(tmp_path / "tiny", images / "ipxe/current/ipxe.efi", filler)
    own.add("tiny", {"tiny.raw.zst": tiny_disk.packed(disk)}, here, silent)
    site = Site(lan_with_dhcp, here, "http://mirror.example/debian")
    variables = ("countdown=1", "console=ttyS0,115200n8", "ssh_authorized_keys=ssh-ed25519 AAAA me")
    options = [word for variable in variables for word in ("--set", variable)]
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local", *options)
    return site


def test_an_image_goes_straight_to_a_blank_disk_also_where_the_server_is_restarted_meanwhile(
    lan: Lan, deploying: Site, tmp_path: Path
) -> None:
    site, disk = deploying, blank_disk(tmp_path)
    program = site.serve()
    refused = site.netboot("node", "install", "n1", "--image", "debian-13", check=False)
    assert "'debian-13' is no disk image; these are: " in refused.stderr
    site.netboot("node", "install", "n1", "--image", "tiny")
    machine = Machine(lan, "n1", [MAC], disk=disk)
    slow = ["root", "tbf", "rate", "48mbit", "burst", "64k", "latency", "400ms"]  # so it is cut
    lan.switch.run(["tc", "qdisc", "add", "dev", machine.taps[0], *slow])
    machine.power_on()
    site.wait_for_event("n1", Kind.PROGRESS, 300, "writing to /dev/vda: ")
    program.end()
    assert disk.read_bytes()[: tiny_disk.MIB] == bytes(tiny_disk.MIB)  # no firmware starts this
    site.serve()
    ended = site.wait_for_event("n1", Kind.JOB, 300, "install done")
    assert ended.data["came"] == "done"
    machine.wait_for_serial(tiny_disk.SAYS, 300)
    assert tiny_disk.read(disk, "/etc/hostname") == "n1\n"
    assert tiny_disk.read(disk, "/root/.ssh/authorized_keys") == "ssh-ed25519 AAAA me\n"
    assert tiny_disk.file_system_size(disk) > tiny_disk.SIZE
    told = [one.event.data.get("stage") for one in site.timeline("n1")]
    assert [stage for stage in dict.fromkeys(told) if stage in STAGES] == list(STAGES)
    assert machine.serial_text.count("the transfer broke off after ") >= 1

    lan.switch.run(["tc", "qdisc", "del", "dev", machine.taps[0], "root"])
    site.netboot("node", "install", "n1", "--reinstall")
    machine.reset()
    machine.wait_for_serial("starting from /dev/vda", 300)
    machine.wait_for_serial(tiny_disk.SAYS, 300)
    assert tiny_disk.read(disk, "/etc/hostname") == "n1\n"
