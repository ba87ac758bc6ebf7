"""Real firmware network-boots beside a DHCP server nobody touched, into its own installer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site, kinds
from netboot.stages import Stage

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
SERIAL = ("--set", "console=ttyS0,115200n8")
INSTALLER_STARTS = 700
"""Seconds; an installer takes 80 s of a processor's time until it has read its preseed."""


@dataclass(frozen=True)
class Asked:
    """A machine, what is asked of it, and what it asks for before its script."""

    name: str
    mac: str
    firmware: FirmwareKind
    profile: str
    suite: str
    network: Mapping[str, str]
    before: tuple[Kind, ...]


MACHINES = (
    Asked(
        *("n1", FIRST, "uefi", "debian-12", "bookworm"),
        {"ip": "10.77.0.51/24", "gateway": "10.77.0.1"},
        (
            *(Kind.DISCOVER, Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011),
            *(Kind.PROBE, Kind.LOADER, Kind.FILE),
        ),
    ),
    Asked(
        *("n2", SECOND, "bios", "debian-13", "trixie"),
        {"ip": "10.77.0.52", "netmask": "255.255.255.0"},
        (Kind.DISCOVER, Kind.OFFER),
    ),
)
INSTALLER = [Kind.SCRIPT, Kind.KERNEL, Kind.INITRD, Kind.PRESEED, Kind.PROGRESS]
TELLS_ITS_NAME = """{% include "preseed/tell.sh.j2" %}
tell "progress?stage=early&detail=$(hostname)";
"""
"""In the place of what the preseed runs first: the installer's own word for its host name."""


@pytest.fixture
def talkative(lan_with_dhcp: Lan, images: Path, mirror: Mirror) -> Site:
    """A site whose installers tell their host name."""
    early = lan_with_dhcp.directory / "templates/preseed/early.sh.j2"
    early.parent.mkdir(parents=True)
    early.write_text(TELLS_ITS_NAME)
    settings = {"server": {"templates": [str(early.parent.parent)]}}
    return Site(lan_with_dhcp, images, mirror.url, settings=settings)


def test_two_machines_at_once_each_boot_into_their_own_installer(
    lan: Lan, talkative: Site, mirror: Mirror
) -> None:
    site = talkative
    machines = []
    for asked in MACHINES:
        facts = ("--mac", asked.mac, "--profile", asked.profile)
        options = [
            word for key, value in asked.network.items() for word in ("--set", f"{key}={value}")
        ]
        site.netboot("node", "add", asked.name, *facts, *options, *SERIAL)
        machines.append(Machine(lan, asked.name, [asked.mac], asked.firmware))
    site.serve()
    for machine in machines:
        machine.power_on()
    for asked, machine in zip(MACHINES, machines, strict=True):
        name, profile = asked.name, asked.profile
        assert site.wait_for_event(name, Kind.PROGRESS, INSTALLER_STARTS).detail == f"early, {name}"
        events = site.timeline(name)
        awaited = [*asked.before, *INSTALLER]
        assert [kind for kind in kinds(events) if kind in awaited] == awaited
        asked_from = {r.event.data["address"] for r in events if r.event.kind is Kind.PRESEED}
        assert asked_from == {asked.network["ip"].partition("/")[0]}
        files = [str(record.event.data.get("file")) for record in events]
        files = [file for file in files if file.startswith("images/")]
        assert files == [f"images/{profile}/linux", f"images/{profile}/initrd.gz"]
        line = machine.wait_for_serial(r"Command line: (.*)", 300)[1]
        assert f"netcfg/hostname={name} " in line
        assert "url=http://10.77.0.2:8080/node/" in line
        mirror.wait_for(
            f"/dists/{asked.suite}/Release.gpg$", 300
        )  # every installer asks every Release
        mirror.wait_for(f"/dists/{asked.suite}/main/debian-installer/binary-amd64/Packages", 300)
        machine.wait_for_serial("Retrieving apt-mirror-setup", 300)  # the first that is in Packages
        told = site.wait_for_event(name, Kind.SYSLOG, 300, "'download-installer' selected")
        assert told.detail.startswith("main-menu: ")
        assert told.data["stage"] == Stage.INSTALLER.slug


def test_a_machine_is_known_by_its_second_nic(lan: Lan, site: Site) -> None:
    site.netboot("node", "add", "n1", "--mac", SECOND, "--profile", "debian-12", *SERIAL)
    site.serve()
    machine = Machine(lan, "n1", [FIRST, SECOND], "bios")  # OVMF asks by its first for a minute
    machine.power_on()
    site.wait_for_event("n1", Kind.PRESEED, INSTALLER_STARTS)
    assert kinds(site.timeline(FIRST))[:2] == [Kind.DISCOVER, Kind.IGNORED]
    assert "BOOTIF=01-52-54-00-00-00-02" in machine.wait_for_serial(r"Command line: (.*)", 300)[1]


def test_a_local_machine_is_handed_back_to_its_firmware(lan: Lan, site: Site) -> None:
    site.netboot("node", "add", "n1", "--mac", FIRST, "--profile", "local")
    site.serve()
    machine = Machine(lan, "n1", [FIRST])
    machine.power_on()
    machine.wait_for_serial("starting from the local disk", 300)
    machine.wait_for_serial("failed to start Boot0001 .UEFI PXEv4", 300)
    machine.wait_for_serial("starting Boot.* .EFI Internal Shell", 300)


def test_a_broken_script_is_told_on_the_screen_and_mended_without_touching_the_machine(
    lan: Lan, site: Site
) -> None:
    site.netboot(
        "node", "add", "n1", "--mac", FIRST, "--profile", "debian-12", "--set", "ip=10.77.0.50"
    )
    site.serve()
    machine = Machine(lan, "n1", [FIRST])
    machine.power_on()
    machine.wait_for_serial("netmask", 300)
    failed = site.wait_for_event("n1", Kind.FAILED, 300)
    assert "templates/kernel/debian.ipxe line " in failed.detail
    assert "n1" in failed.detail
    site.netboot("node", "set", "n1", "--set", "netmask=255.255.255.0")
    site.wait_for_event("n1", Kind.KERNEL, 300)
