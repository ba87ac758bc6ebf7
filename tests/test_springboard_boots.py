"""Real firmware starts from a springboard, by a CD read over HTTP and from a USB stick.

None of these machines' NICs is in its boot order, so what leads each to its script is the medium.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.answer.springboard import CHAIN
from netboot.events import Event, Kind
from netboot.lab.bmc.machine import BootDevice
from netboot.lab.site import HTTP_PORT, Site
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab
from netboot.media import library
from netboot.secure_boot.chain import judge

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

TIMEOUT = 300
LAB = """
nodes:
  bios:
    firmware: bios
    memory: 256
    boot: [cd]
  uefi:
    firmware: uefi
    memory: 256
    boot: [cd]
  secure:
    firmware: secureboot
    memory: 512
    boot: [cd, network]
  stick:
    firmware: uefi
    memory: 256
    boot: [disk]
    disks: [16M]
"""
PROFILES = {"bios": "local", "uefi": "local", "secure": "debian-13", "stick": "local"}
"""An installer's script is given only to a machine whose DISCOVER was heard."""
MORE = {"secure": {"secure_boot": True}}
CDS = {"bios": "netboot.iso", "uefi": "netboot.iso", "secure": "netboot-secure.iso"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    file = tmp_path / "lab.yaml"
    file.write_text(LAB, "utf-8")
    with Lab(read(file)) as lab:
        yield lab


def test_each_machine_comes_to_its_own_script(lab: Lab, images: Path, tmp_path: Path) -> None:
    site = Site(next(iter(lab.networks.values())), images, "http://mirror.invalid/debian")
    nodes = [
        {"name": name, "macs": node.machine.macs, "profile": PROFILES[name], **MORE.get(name, {})}
        for name, node in lab.nodes.items()
    ]
    (tmp_path / "nodes.yaml").write_text(json.dumps(nodes), "utf-8")  # which is YAML, too
    site.netboot("node", "import", tmp_path / "nodes.yaml")
    built = tmp_path / "built.img"
    site.netboot("media", "build", "stick", "--usb", "-o", built)
    with (lab.nodes["stick"].machine.serial_log.parent / "disk0.img").open("r+b") as stick:
        stick.write(built.read_bytes())
    assert judge(library.installed(images)).loaders[CHAIN] == ""
    site.serve()
    bmcs_reach = f"http://{lab.bmcs.subnet[-2]}:{HTTP_PORT}"  # where no machine finds us
    for name, node in lab.nodes.items():
        if name in CDS:
            mac = node.machine.macs[0].replace(":", "-")
            node.machine.insert("Cd", f"{bmcs_reach}/media/{mac}/{CDS[name]}")
        device = BootDevice.CD if name in CDS else BootDevice.DISK
        node.machine.set_boot(device, once=False)
        node.machine.power_on()
    for name, node in lab.nodes.items():
        script = site.wait_for_event(name, Kind.SCRIPT, TIMEOUT)
        assert (script.mac, script.data["profile"]) == (node.machine.macs[0], PROFILES[name])
        events = [record.event for record in site.timeline(name)]
        assert not [event for event in events if event.kind is Kind.LOADER]
        assert media_of(events) == ({CDS[name]} if name in CDS else set())


def media_of(events: list[Event]) -> set[object]:
    """The media that were read."""
    return {event.data["file"] for event in events if event.kind is Kind.MEDIA}
