"""Real firmware boots through netboot whatever stands between them, or beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab import packets
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp, Relay
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.packets import Packet
from netboot.lab.site import Site

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
MIRROR = "http://mirror.example/debian"
PROFILE = ("--profile", "debian-12")
TOWARDS_RELAY = "10.77.0.22"
"""The server's second address: the one its route to the relay's LAN goes out by."""
RENEW_AFTER = 3
"""Seconds, DHCP option 58: the least that dnsmasq gives."""
CLIENT_SCRIPT = """#!/bin/sh
case $reason in BOUND|RENEW) ip address replace "$new_ip_address/24" dev eth0 ;; esac
"""


@pytest.fixture
def far() -> Iterator[Lan]:
    with Lan("far", "10.78.0.0/24") as made:
        yield made


def test_machines_behind_a_relay_boot_from_the_address_that_routes_to_them(
    lan: Lan, far: Lan, images: Path
) -> None:
    relay = Relay(far, lan, [lan.dhcp, lan.server])
    lan.server.run(["ip", "address", "add", f"{TOWARDS_RELAY}/24", "dev", "eth0"])
    route = f"{far.subnet} via {relay.outside} src {TOWARDS_RELAY}"
    lan.server.run(["ip", "route", "change", *route.split()])
    PlainDhcp(lan, extra=relay.range)
    site = Site(lan, images, MIRROR)
    site.netboot("node", "add", "n1", "--mac", FIRST, *PROFILE)
    site.netboot("node", "add", "n2", "--mac", SECOND, *PROFILE)
    site.serve()
    machines = [Machine(far, "n1", [FIRST], "uefi"), Machine(far, "n2", [SECOND], "bios")]
    captures = [Capture(far.switch, machine.taps[0], (69, 4011, 8080)) for machine in machines]
    for machine in machines:
        machine.power_on()
    for machine, capture in zip(machines, captures, strict=True):
        site.wait_for_event(machine.name, Kind.INITRD, 300)
        asked = [record.event for record in site.timeline(machine.name)]
        relays = {event.data.get("relay") for event in asked if event.kind is Kind.DISCOVER}
        assert relays == {relay.inside}
        own = [packet for packet in capture.packets if packet.source[0].startswith("10.78.0.1")]
        assert {packet.destination[0] for packet in own} == {TOWARDS_RELAY}


def test_a_dhcp_server_on_the_same_host_goes_on_renewing_while_a_machine_boots(
    lan: Lan, images: Path
) -> None:
    renew = f"--dhcp-option=option:T1,{RENEW_AFTER}"
    # told one interface alone dnsmasq binds to that device, and nobody could steal from it
    PlainDhcp(lan, lan.server, extra=("--no-ping", "--interface=eth*", renew))
    site = Site(lan, images, MIRROR)
    site.netboot("node", "add", "n1", "--mac", FIRST, *PROFILE)
    site.serve()
    tenant = lan.host("tenant")
    tenant.run(["ip", "address", "flush", "dev", "eth0"])
    script = lan.directory / "dhclient-script"
    script.write_text(CLIENT_SCRIPT, "ascii")
    script.chmod(0o755)
    files = ("-lf", lan.directory / "tenant.leases", "-pf", lan.directory / "tenant.pid")
    dhclient = tenant.start(
        ["dhclient", "-4", "-d", "-v", "-cf", "/dev/null", "-sf", script, *files, "eth0"],
        lan.directory / "dhclient.log",
    )
    address = dhclient.wait_for(r"bound to (\S+)", 300)[1]
    machine = Machine(lan, "n1", [FIRST])
    machine.power_on()
    given = dhclient.position
    site.wait_for_event("n1", Kind.INITRD, 300)
    dhclient.wait_for(rf"DHCPACK of {address} from {site.host.address}", 300, since=given)
    assert "DHCPDISCOVER" not in dhclient.text_since(given)


def test_two_lans_are_served_at_once_each_from_its_own_address(
    lan: Lan, far: Lan, images: Path
) -> None:
    own = {lan: str(lan.server.address), far: "10.78.0.9"}
    far.join(lan.server, "eth1", own[far])
    settings = {"server": {"interfaces": ["eth0", "eth1"]}}
    site = Site(lan, images, MIRROR, settings=settings)
    site.netboot("node", "add", "n1", "--mac", FIRST, *PROFILE)
    site.netboot("node", "add", "n2", "--mac", SECOND, *PROFILE)
    site.serve()
    captures = {}
    for at, (name, mac) in zip((lan, far), (("n1", FIRST), ("n2", SECOND)), strict=True):
        PlainDhcp(at)
        machine = Machine(at, name, [mac], "bios")
        captures[at] = Capture(at.switch, machine.taps[0], (67, 68, 8080))
        machine.power_on()
    for at, name in ((lan, "n1"), (far, "n2")):
        site.wait_for_event(name, Kind.INITRD, 300)
        assert told(captures[at]) == {own[at]}


def told(capture: Capture) -> set[str]:
    """The addresses HTTP was asked of, and who sent offers that name a boot file."""

    def names_a_file(packet: Packet) -> bool:
        return packets.dhcp_option(packet.payload, 67) is not None

    asked = {p.destination[0] for p in capture.packets if packets.http_target(p)}
    return asked | {p.source[0] for p in capture.packets if names_a_file(p)}
