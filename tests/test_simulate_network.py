"""Fake machines boot from a real ``netboot serve`` on a LAN of namespaces."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from netboot.events import Kind as EventKind
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import Site, kinds
from netboot.media import library

pytestmark = pytest.mark.root

IMAGES = {
    "ipxe": {"snponly.efi": 300_000, "undionly.kpxe": 70_000},
    "debian-12": {"linux": 1_000_000, "initrd.gz": 3_000_000},
}
MAC = "52:54:00:00:00:01"
LINUX, INITRD = IMAGES["debian-12"].values()


def image(folder: Path, files: dict[str, int]) -> None:
    """An image as ``netboot image fetch`` leaves it, its files full of zeros."""
    with library.staging(folder) as staged:
        entries = {}
        for name, size in files.items():
            (staged / name).write_bytes(bytes(size))
            entries[name] = library.Entry(library.digest(staged / name), size, name)
        now = datetime.now(UTC)
        manifest = library.Manifest(image=folder.name, version="1", fetched_at=now, files=entries)
        library.switch(folder, staged, manifest)


@pytest.fixture
def site(lan: Lan) -> Site:
    images = lan.directory / "images"
    for name, files in IMAGES.items():
        (images / name).mkdir(parents=True)
        image(images / name, files)
    mirror = "http://10.77.0.9/debian"
    return Site(lan, images, mirror, settings={"dhcp": {"unknown": "debian-12"}})


@pytest.fixture
def clients(lan: Lan) -> Host:
    return lan.host("clients")


@pytest.fixture
def dhcp(lan: Lan) -> PlainDhcp:
    # without a ping before each offer, of which dnsmasq does one at a time
    return PlainDhcp(lan, extra=("--no-ping",))


COMMAND = "from netboot.cli.simulate import simulate; simulate()"


def simulate(
    clients: Host, firmware: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    argv = [*(sys.executable, "-c", COMMAND), "--interface", "eth0", "--firmware", firmware]
    return clients.run([*argv, *options], check=check, timeout=100)


def outcomes(clients: Host, firmware: str, *options: str, check: bool = True) -> dict[str, Any]:
    said = simulate(clients, firmware, "--json", *options, check=check).stdout
    found: dict[str, Any] = json.loads(said)
    return found


BOOTS = {
    "edk2": [EventKind.DISCOVER, EventKind.OFFER, EventKind.REQUEST_4011, EventKind.ACK_4011],
    "edk2-old": [EventKind.DISCOVER, EventKind.OFFER, EventKind.REQUEST_4011, EventKind.ACK_4011],
    "bios": [EventKind.DISCOVER, EventKind.OFFER],
    "http": [EventKind.DISCOVER, EventKind.OFFER],
    "ipxe": [EventKind.DISCOVER, EventKind.OFFER],
}
INSTALLER = [EventKind.SCRIPT, EventKind.KERNEL, EventKind.INITRD, EventKind.PRESEED]


@pytest.mark.usefixtures("dhcp")
def test_each_firmware_boots_into_the_installer(site: Site, clients: Host) -> None:
    site.serve()
    for at, (firmware, first) in enumerate(BOOTS.items()):
        mac = f"52:54:00:00:00:{at:02x}"
        [told] = outcomes(clients, firmware, "--mac", mac)["outcomes"]
        assert (told["stage"], told["stopped"]) == ("preseed", None)
        assert told["bytes"] >= LINUX + INITRD
        site.wait_for_event(mac, EventKind.PRESEED, 60)
        seen = kinds(site.timeline(mac))
        assert seen[: len(first)] == first
        assert [kind for kind in seen if kind in INSTALLER] == INSTALLER


def test_fifty_machines_boot_at_once_and_give_their_leases_back(
    site: Site, clients: Host, dhcp: PlainDhcp
) -> None:
    site.serve()
    told = outcomes(clients, "edk2", "--count", "50", "--eager", "--loss", "2")
    assert (told["machines"], told["reached"]) == (50, 50)
    assert told["stages"]["preseed"]["machines"] == 50
    dhcp.program.wait_for(r"DHCPRELEASE", 60)
    assert len(dhcp.leases) < 10  # but for the releases that were lost


def test_machines_with_addresses_need_no_dhcp_server(site: Site, clients: Host) -> None:
    site.serve()
    addresses = [f"10.77.0.{at}" for at in range(120, 125)]
    for address in addresses:
        clients.run(["ip", "address", "add", f"{address}/24", "dev", "eth0"])
    span = f"{addresses[0]}-{addresses[-1]}"
    told = outcomes(clients, "bios", "--count", "5", "--eager", "--addresses", span)
    assert told["reached"] == 5
    assert {one["address"] for one in told["outcomes"]} == set(addresses)
    # and so what came by TFTP stands in the timeline of the machine whose address it was
    mac = told["outcomes"][0]["mac"]
    site.wait_for_event(mac, EventKind.LOADER, 5, "undionly.kpxe")


@pytest.mark.usefixtures("dhcp")
def test_a_machine_behind_a_relay_is_answered_through_it(site: Site, clients: Host) -> None:
    site.serve()
    told = outcomes(clients, "ipxe", "--giaddr", str(clients.address), "--until", "script")
    assert told["reached"] == 1


@pytest.mark.usefixtures("dhcp")
def test_one_ethernet_address_for_all_frames_does_too(site: Site, clients: Host) -> None:
    site.serve()
    told = outcomes(clients, "ipxe", "--count", "3", "--own-ethernet", "--until", "script")
    assert told["reached"] == 3


@pytest.mark.usefixtures("dhcp", "site")
def test_without_a_boot_server_it_fails_in_the_firmwares_words(clients: Host) -> None:
    patience = ("--timeout", "2", "--tries", "2")
    done = simulate(clients, "bios", "--mac", MAC, *patience, check=False)
    assert done.returncode == 1
    said = rf"{MAC} reached nothing in 4\.\d\d s in boot 2: PXE-E53: No boot filename"
    assert re.match(said, done.stdout), done.stdout
    assert "TFTP and HTTP from 10.77.0.3" in done.stderr
