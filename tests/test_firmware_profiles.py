"""Real firmware boots what is no Debian installer, and a person can stop an installation."""

import gzip
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site, kinds

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
SERIAL = ("--set", "console=ttyS0,115200n8")
PROFILE = """
description = "Two initrds and arguments"
script = "ipxe/linux.ipxe"
image = "debian-13"
installs = true
kernel = "linux"
initrds = ["initrd.gz", "http://{{ vars.web }}:8000/proof.cpio.gz"]
args = "rdinit=/proof word={{ vars.word }}"

[answer]
kind = "nocloud"
file = "user-data"
"""
PROOF = b"""#!/bin/sh
mount -t proc proc /proc
echo "the second initrd runs the first one's shell: $(cat /proc/cmdline) :" > /dev/console
poweroff -f
"""


@pytest.fixture
def own_site(lan_with_dhcp: Lan, images: Path, mirror: Mirror) -> Site:
    """A site with a profile of its operator, whose second initrd is on another server."""
    lan = lan_with_dhcp
    folder = lan.directory / "templates"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "proof.toml").write_text(PROFILE)
    (folder / "user-data").write_text("#cloud-config\n")
    web = lan.directory / "web"
    web.mkdir()
    (web / "proof.cpio.gz").write_bytes(gzip.compress(cpio("proof", PROOF)))
    host = lan.host("web")
    address = str(host.address)
    server = ["python3", "-m", "http.server", "8000", "--bind", address]
    host.start(["env", "-C", str(web), *server], lan.directory / "web.log")
    site = Site(lan, images, mirror.url, settings={"server": {"templates": [str(folder)]}})
    variables = ("--set", f"web={address}", "--set", "word=hello", *SERIAL)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "proof", *variables)
    return site


def cpio(name: str, content: bytes) -> bytes:
    """An archive of one executable file in the kernel's own format, newc."""

    def entry(name: str, content: bytes, mode: int) -> bytes:
        raw = name.encode() + b"\0"
        fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)

    return entry(name, content, 0o100755) + entry("TRAILER!!!", b"", 0)


def boot_sector(said: bytes) -> bytes:
    """A BIOS boot sector that writes ``said`` to the first serial port and stops."""
    code = bytes.fromhex(
        "31c0 8ed8"  # xor ax, ax; mov ds, ax
        "be 157c"  # mov si, 0x7c15
        "ac 08c0 74 06"  # next: lodsb; or al, al; jz end
        "baf803 ee ebf5"  # mov dx, 0x3f8; out dx, al; jmp next
        "f4 ebfd"  # end: hlt; jmp end
    )
    return (code + said + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def press(machine: Machine, *keys: str) -> None:
    for key in keys:
        machine.qmp.command("send-key", {"keys": [{"type": "qcode", "data": key}]})


@pytest.mark.parametrize(
    ("firmware", "before"),
    [
        ("uefi-http", [Kind.DISCOVER, Kind.OFFER, Kind.LOADER]),
        ("ipxe-rom", [Kind.DISCOVER, Kind.OFFER]),
        ("bios", [Kind.DISCOVER, Kind.OFFER]),
    ],
)
def test_any_linux_gets_both_initrds_and_every_argument_when_nobody_stops_it(
    lan_with_dhcp: Lan, own_site: Site, firmware: FirmwareKind, before: list[Kind]
) -> None:
    own_site.netboot("node", "set", "n1", "--set", "countdown=2")
    own_site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC], firmware)
    machine.power_on()
    machine.wait_for_serial("This erases the disk", 300)
    proof = r"the second initrd runs the first one's shell: (.*) :\r?\n"
    told = machine.wait_for_serial(proof, 300)[1].split()
    for word in ("rdinit=/proof", "word=hello", f"BOOTIF=01-{MAC.replace(':', '-')}"):
        assert word in told
    (seed,) = [word for word in told if word.startswith("ds=nocloud-net;s=http://")]
    assert "/node/" in seed
    assert seed.endswith("/")
    own_site.wait_for_event("n1", Kind.INITRD, 300)
    linux = [Kind.SCRIPT, Kind.KERNEL, Kind.INITRD]
    wanted = {*before, *linux}
    came = [kind for kind in kinds(own_site.timeline("n1")) if kind in wanted]
    assert came == before + linux


def test_a_key_press_stops_the_countdown_and_the_machine_can_start_from_its_disk(
    lan_with_dhcp: Lan, own_site: Site
) -> None:
    own_site.netboot("node", "set", "n1", "--set", "countdown=300")
    own_site.serve()
    disk = lan_with_dhcp.directory / "disk.img"
    disk.write_bytes(boot_sector(b"this is the disk").ljust(1 << 20, b"\0"))
    machine = Machine(lan_with_dhcp, "n1", [MAC], "bios", disk=disk)
    machine.power_on()
    machine.wait_for_serial("iPXE shell", 300)
    press(machine, "down", "ret")  # the first key stops it, and moves on from what would install
    machine.wait_for_serial("this is the disk", 300)
    assert Kind.KERNEL not in kinds(own_site.timeline("n1"))


@pytest.mark.parametrize("firmware", ["ipxe-rom", "bios"])
def test_memtest_tests(lan_with_dhcp: Lan, site: Site, firmware: FirmwareKind) -> None:
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "memtest", *SERIAL)
    site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC], firmware)
    machine.power_on()
    machine.wait_for_serial(r"Status: Testing", 300)
