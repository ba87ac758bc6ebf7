"""A disk image straight to a blank disk, by real firmware: written, grown, named, and started."""

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
DISK_MIB = 64


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
    """A site with a disk image of its own."""
    here = own_images(images, tmp_path / "images")
    (tmp_path / "tiny").mkdir()
    disk = tiny_disk.make(tmp_path / "tiny", images / "ipxe/current/ipxe.efi")
    own.add("tiny", {"tiny.raw.zst": tiny_disk.packed(disk)}, here, silent)
    site = Site(lan_with_dhcp, here, "http://mirror.example/debian")
    variables = ("disk_image=tiny", "countdown=1", "console=ttyS0,115200n8")
    options = [word for variable in variables for word in ("--set", variable)]
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "deploy", *options)
    return site


def test_an_image_is_written_to_a_blank_disk_and_started_from_it(
    lan: Lan, deploying: Site, tmp_path: Path
) -> None:
    site, disk = deploying, blank_disk(tmp_path)
    site.serve()
    machine = Machine(lan, "n1", [MAC], disk=disk)
    machine.power_on()
    home = site.wait_for_event("n1", Kind.INSTALLED, 300)
    assert home.detail.startswith("called home: installed")
    machine.wait_for_serial(tiny_disk.SAYS, 300)
    assert tiny_disk.read(disk, "/etc/hostname") == "n1\n"
    assert tiny_disk.file_system_size(disk) > tiny_disk.ROOT_MIB * tiny_disk.MIB
