"""Where our answers would go: the main routing table, neighbours, and what the kernel would do.

The tables are read from /proc, which every process may read and which is the network namespace's
own; the kernel itself is asked by connecting a UDP socket, which sends nothing.
"""

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_NEIGHBOURS = Path("/proc/net/arp")
_UP = 0x1  # RTF_UP, linux/route.h
_COMPLETE = 0x2  # ATF_COM, linux/if_arp.h
_IP_MTU = 14  # linux/in.h
_ANY_PORT = 9  # discard; nothing is sent there


@dataclass(frozen=True, slots=True)
class Route:
    """One IPv4 route of the main table.

    Attributes:
        gateway: the next router, "" where the network is on the link itself.
    """

    network: IPv4Network
    gateway: str
    device: str
    metric: int


@dataclass(frozen=True, slots=True)
class NetPath:
    """What the kernel would do with a packet to a peer.

    Attributes:
        source: our address it would bear.
        mtu: bytes that get through as far as the kernel knows, by route or by experience.
    """

    source: str
    mtu: int


def route_table() -> tuple[Route, ...]:
    """The routes that are up, most specific first, then by metric."""
    found = [_route(line.split()) for line in _ROUTES.read_text("ascii").splitlines()[1:]]
    present = [route for route in found if route is not None]
    return tuple(sorted(present, key=lambda route: (-route.network.prefixlen, route.metric)))


def device_to(peer: str, table: Sequence[Route]) -> str:
    """The interface a packet to ``peer`` leaves by, "" where no route leads there.

    Args:
        peer: an IPv4 address.
        table: as ``route_table`` gives it. Policy routing (ip rule) is not looked at.
    """
    address = IPv4Address(peer)
    return next((route.device for route in table if address in route.network), "")


def path_to(peer: str) -> NetPath | None:
    """How the kernel would reach ``peer``, None where it has no route. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, _ANY_PORT))
        except OSError:
            return None
        return NetPath(probe.getsockname()[0], probe.getsockopt(socket.IPPROTO_IP, _IP_MTU))


def neighbours(device: str) -> tuple[str, ...]:
    """Addresses on the link that answered us lately (ARP)."""
    rows = [line.split() for line in _NEIGHBOURS.read_text("ascii").splitlines()[1:]]
    return tuple(row[0] for row in rows if row[5] == device and int(row[2], 16) & _COMPLETE)


def _route(row: list[str]) -> Route | None:
    """One line: interface, destination, gateway, flags, two counts, metric, mask and more."""
    if not int(row[3], 16) & _UP:
        return None
    network = IPv4Network((_address(row[1]), _address(row[7])))
    gateway = _address(row[2])
    return Route(network, "" if gateway == "0.0.0.0" else gateway, row[0], int(row[6]))  # noqa: S104 -- compared with


def _address(text: str) -> str:
    """Eight hexadecimal digits: an address in network order, printed as the host's integer."""
    return socket.inet_ntoa(int(text, 16).to_bytes(4, sys.byteorder))
