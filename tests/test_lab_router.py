"""A LAN's router says that there is no IPv6, so that firmware need not wait to find out."""

import socket
import struct

import pytest

from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.router import ALL_ROUTERS, HOP_LIMIT, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION
from tests.waiting import await_

SOLICITATION = struct.pack("!BBHI", ROUTER_SOLICITATION, 0, 0, 0)


def advertisement(host: Host) -> bytes | None:
    """Ask as a machine does when its NIC comes up; what a router answers within a second."""

    def ask() -> bytes | None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as asking:
            index = socket.if_nametoindex("eth0")
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
            asking.settimeout(1.0)
            try:
                asking.sendto(SOLICITATION, (ALL_ROUTERS, 0, 0, index))
                while (message := asking.recv(1500))[0] != ROUTER_ADVERTISEMENT:
                    pass
            except OSError:  # its address is not ready, or nobody answered
                return None
            return message

    return host.inside(ask)


@pytest.mark.root
def test_it_is_said_at_once_and_names_neither_route_nor_prefix_nor_dhcpv6(lan: Lan) -> None:
    PlainDhcp(lan)
    said = await_(lambda: advertisement(lan.host("machine")), "an advertisement", 60)
    _, _, flags, lifetime, *_ = struct.unpack("!B3xBBHII", said)
    assert (flags, lifetime) == (0, 0)
    assert len(said) == 16  # no option: no prefix to make an address of
