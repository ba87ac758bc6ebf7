"""A DHCP server on the very host netboot runs on keeps everything that is its own."""

import re
import socket
from collections.abc import Iterator

import pytest

from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.packets import REQUEST, Packet, dhcp_type
from netboot.lab.program import Program
from netboot.lab.site import Site
from netboot.wire import dhcp4, iana
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from tests.pxe_peer import ASK_AGAIN, UEFI, UEFI_4011, PxeClient, golden, replies, stock
from tests.waiting import await_

pytestmark = pytest.mark.root

SERVER = "10.77.0.2"
TOWARDS_RELAY = "10.77.0.22"
"""The server's second address: the one its route to the relay's network goes out by."""
RELAY, RELAY_INSIDE = "10.77.0.5", "10.99.0.1"
MACHINE, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
RENEW_AFTER = 3
"""Seconds, DHCP option 58: the least that dnsmasq gives."""
CLIENT_SCRIPT = """#!/bin/sh
case $reason in BOUND|RENEW) ip address replace "$new_ip_address/24" dev eth0 ;; esac
"""


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan("same") as made:
        yield made


@pytest.fixture(scope="module")
def dhcp(lan: Lan) -> PlainDhcp:
    behind_relay = "--dhcp-range=10.99.0.100,10.99.0.199,255.255.255.0,1h"
    renew = f"--dhcp-option=option:T1,{RENEW_AFTER}"
    # told one interface alone dnsmasq binds to that device, and nobody could steal from it
    open_to_theft = "--interface=eth*"
    return PlainDhcp(lan, lan.server, extra=("--no-ping", open_to_theft, behind_relay, renew))


@pytest.fixture(scope="module")
def serving(lan: Lan, dhcp: PlainDhcp) -> Program:
    assert dhcp.program.process.poll() is None
    lan.server.run(["ip", "address", "add", f"{TOWARDS_RELAY}/24", "dev", "eth0"])
    route = f"10.99.0.0/24 via {RELAY} src {TOWARDS_RELAY}"
    lan.server.run(["ip", "route", "add", *route.split()])
    images = lan.directory / "images"
    stock(images, "ipxe", {"snponly.efi": b"loader"})
    stock(images, "debian-12", {"linux": b"kernel", "initrd.gz": b"initrd"})
    site = Site(lan, images, "http://mirror.example/debian")
    site.netboot("node", "add", "n1", "--mac", MACHINE, "--profile", "local")
    return site.serve()


@pytest.fixture(scope="module")
def relay(lan: Lan) -> Host:
    found = lan.host("relay", RELAY)
    found.run(["ip", "address", "add", f"{RELAY_INSIDE}/24", "dev", "eth0"])
    return found


@pytest.fixture(scope="module")
def agent(relay: Host) -> Iterator[socket.socket]:
    """The relay agent's socket (RFC 1542 section 4)."""
    with relay.inside(lambda: bound(RELAY_INSIDE, iana.DHCP_SERVER_PORT)) as opened:
        yield opened


def bound(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, port))
    return opened


def relayed(agent: socket.socket, asked: Message) -> tuple[list[Message], list[Message]]:
    """What comes back to the relay for one DISCOVER: offers of an address, and of a boot file."""
    agent.sendto(dhcp4.build(asked._replace(giaddr=RELAY_INSIDE, hops=1)), (SERVER, 67))
    came = list(replies(agent, iana.DHCP_SERVER_PORT, 5))
    assert {source for _, source in came} == {TOWARDS_RELAY}  # the route says so to both
    offers = [message for message, _ in came if message.xid == asked.xid]
    leases = [one for one in offers if one.yiaddr != NO_ADDRESS]
    return leases, [one for one in offers if one.yiaddr == NO_ADDRESS]


def test_who_holds_port_67_is_said_and_is_no_error(serving: Program, dhcp: PlainDhcp) -> None:
    pid = dhcp.program.process.pid
    said = rf"dnsmasq \(pid {pid}\) on this host: we listen beside it"
    assert re.search(said, serving.text)
    assert serving.process.poll() is None


def test_a_lease_is_given_and_renewed_by_unicast(
    lan: Lan, serving: Program, dhcp: PlainDhcp
) -> None:
    tenant = lan.host("tenant")
    tenant.run(["ip", "address", "flush", "dev", "eth0"])
    script = lan.directory / "dhclient-script"
    script.write_text(CLIENT_SCRIPT)
    script.chmod(0o755)
    with Capture(lan.server) as capture:
        dhclient = tenant.start(
            [
                *("dhclient", "-4", "-d", "-v", "-cf", "/dev/null", "-sf", script),
                *("-lf", lan.directory / "tenant.leases", "-pf", lan.directory / "tenant.pid"),
                "eth0",
            ],
            lan.directory / "dhclient.log",
        )
        address = dhclient.wait_for(r"bound to (\S+)", 60)[1]
        given, answered = dhclient.position, dhcp.program.position

        def is_renewal(packet: Packet) -> bool:
            source, target = (address, 68), (SERVER, 67)
            addressed = (packet.source, packet.destination) == (source, target)
            return addressed and dhcp_type(packet.payload) == REQUEST

        capture.wait_for(is_renewal, 60)
    dhclient.wait_for(rf"DHCPACK of {address} from {SERVER}", 60, since=given)
    dhcp.program.wait_for(rf"DHCPACK\(eth0\) {address} ", 60, since=answered)
    dhclient.end()
    assert serving.process.poll() is None


def test_one_machine_gets_its_address_there_and_its_boot_file_here(
    lan: Lan, serving: Program, dhcp: PlainDhcp
) -> None:
    client = PxeClient(lan.host("client"), lan.server)
    at = dhcp.program.position
    offer = await_(lambda: client.offer(MACHINE, seconds=ASK_AGAIN), "our OFFER")
    assert (offer.siaddr, offer.yiaddr) == (SERVER, NO_ADDRESS)
    dhcp.program.wait_for(rf"DHCPOFFER\(eth0\) 10\.77\.0\.1\d\d {MACHINE}", 60, since=at)
    assert client.boot_file(MACHINE) == "snponly.efi"
    assert serving.process.poll() is None


class TestBehindARelay:
    def test_a_plain_discover_is_the_dhcp_server_s_alone(
        self, serving: Program, agent: socket.socket
    ) -> None:
        plain = golden(UEFI, OTHER)
        options = {53: bytes([iana.DISCOVER])}
        [lease], ours = relayed(agent, plain._replace(options=options))
        assert lease.yiaddr.startswith("10.99.0.1")
        assert ours == []
        assert serving.process.poll() is None

    def test_a_pxe_discover_is_answered_by_both_to_the_relay(
        self, serving: Program, agent: socket.socket
    ) -> None:
        [lease], [ours] = relayed(agent, golden(UEFI, MACHINE))
        assert lease.yiaddr.startswith("10.99.0.1")
        assert ours.giaddr == RELAY_INSIDE
        assert ours.siaddr == TOWARDS_RELAY
        assert ours.options[iana.OPT_SERVER_ID] == socket.inet_aton(TOWARDS_RELAY)
        assert ours.options[iana.OPT_VENDOR_CLASS] == b"PXEClient"
        assert serving.process.poll() is None

    def test_its_boot_file_comes_from_the_address_it_was_told(
        self, serving: Program, agent: socket.socket, relay: Host
    ) -> None:
        _, [_offer] = relayed(agent, golden(UEFI, MACHINE))
        asked = golden(UEFI_4011, MACHINE, ciaddr=RELAY_INSIDE)
        told = {iana.OPT_SERVER_ID: socket.inet_aton(TOWARDS_RELAY)}
        asked = asked._replace(options={**asked.options, **told})
        with relay.inside(lambda: bound(RELAY_INSIDE, iana.PXE_PORT)) as machine:
            machine.sendto(dhcp4.build(asked), (TOWARDS_RELAY, iana.PXE_PORT))
            ack, source = next(replies(machine, iana.PXE_PORT, 60))
        assert (source, ack.xid) == (TOWARDS_RELAY, asked.xid)
        assert ack.options[iana.OPT_BOOTFILE] == b"snponly.efi"
        assert serving.process.poll() is None
