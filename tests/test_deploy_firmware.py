"""A disk image straight to a blank disk, by real firmware: written, grown, named, and started.

The firmware tries the disk first, and the network only where nothing on the disk starts.
"""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
FILLER_MIB = 16
WRONG_AT = 20 * tiny_disk.MIB
"""In the filler: of the image that is sent only the checksum is wrong."""
TIMEOUT = 300
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
def tiny(images: Path, tmp_path: Path) -> Path:
    """The disk of the image ``tiny``, which is in ``own_images``."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    filler = random.Random(1).randbytes(FILLER_MIB << 20)  # noqa: S311 -- only to be incompressible
    return tiny_disk.make(folder, images / "ipxe/current/ipxe.efi", filler)


@pytest.fixture
def deploying(lan_with_dhcp: Lan, images: Path, tiny: Path, tmp_path: Path) -> Site:
    """A site with a disk image of its own, and a node that would start from its disk."""
    here = own_images(images, tmp_path / "images")
    own.add("tiny", {"tiny.raw.zst": tiny_disk.packed(tiny)}, here, silent)
    site = Site(lan_with_dhcp, here, "http://mirror.example/debian")
    variables = ("countdown=1", "console=ttyS0,115200n8", "ssh_authorized_keys=ssh-ed25519 AAAA me")
    options = [word for variable in variables for word in ("--set", variable)]
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local", *options)
    return site


def test_an_image_of_a_wrong_checksum_never_starts_and_a_right_one_does_after_a_cut_transfer(
    lan: Lan, deploying: Site, tiny: Path, tmp_path: Path
) -> None:
    site, disk = deploying, blank_disk(tmp_path)
    program = site.serve()
    refused = site.netboot("node", "install", "n1", "--image", "debian-13", check=False)
    assert "'debian-13' is no disk image; these are: " in refused.stderr
    with spoilt(tiny, tmp_path / "images/tiny/current/tiny.raw.zst"):
        site.netboot("node", "install", "n1", "--image", "tiny")
        machine = Machine(lan, "n1", [MAC], disk=disk)
        machine.set_bootindex("nic0", 2)
        machine.set_bootindex("disk0", 0)
        machine.power_on()
        machine.wait_for_serial("FAILED: the image's checksum is wrong: sha256 is ", TIMEOUT)
        site.wait_for_event("n1", Kind.FAILED, TIMEOUT, "checksum is wrong: sha256 is ")
        ended = site.wait_for_event("n1", Kind.JOB, TIMEOUT, "checksum is wrong: sha256 is ")
        assert ended.data["came"] == "failed"
    assert is_unbootable(disk)
    assert tiny_disk.read(disk, "/etc/hostname") == "unnamed\n"  # all but its ends is there

    site.netboot("node", "install", "n1")
    machine.reset()
    machine.wait_for_serial("netboot: choosing a disk", TIMEOUT)  # over the network again
    slow = ["root", "tbf", "rate", "16mbit", "burst", "64k", "latency", "400ms"]  # so it is cut
    lan.switch.run(["tc", "qdisc", "add", "dev", machine.taps[0], *slow])
    machine.wait_for_serial(r"writing to /dev/vda: \d", TIMEOUT)
    program.end()
    lan.switch.run(["tc", "qdisc", "del", "dev", machine.taps[0], "root"])
    assert is_unbootable(disk)
    site.serve()
    ended = site.wait_for_event("n1", Kind.JOB, TIMEOUT, "install done")
    assert ended.data["came"] == "done"
    machine.wait_for_serial(tiny_disk.SAYS, TIMEOUT)
    assert tiny_disk.read(disk, "/etc/hostname") == "n1\n"
    assert tiny_disk.read(disk, "/root/.ssh/authorized_keys") == "ssh-ed25519 AAAA me\n"
    assert tiny_disk.file_system_size(disk) > tiny_disk.SIZE
    told = [one.event.data.get("stage") for one in site.timeline("n1")]
    assert [stage for stage in dict.fromkeys(told) if stage in STAGES] == list(STAGES)
    assert machine.serial_text.count("the transfer broke off after ") >= 1


@contextmanager
def spoilt(disk: Path, served: Path) -> Iterator[None]:
    """Have the server send another image of that length meanwhile, as if its disk had rotted."""
    right = served.read_bytes()
    rotten = disk.with_name("rotten.raw")
    shutil.copy(disk, rotten)
    with rotten.open("r+b") as file:
        file.seek(WRONG_AT)
        file.write(b"rot")
    wrong = tiny_disk.packed(rotten).read_bytes()
    assert len(wrong) == len(right)
    served.write_bytes(wrong)
    yield
    served.write_bytes(right)


def is_unbootable(disk: Path) -> bool:
    """Neither partition table is there, and no boot sector."""
    content, end = disk.read_bytes(), bytes(tiny_disk.MIB)
    return content.startswith(end) and content.endswith(end)
