"""Which interfaces machines could be served on.

Served by default: Ethernet, up, with an IPv4 address. Not served by default, because machines to
boot are rarely there and a DHCP server of the software's own is: the networks of container engines
and of libvirt, and the host's ends of containers' cables. Each is served when it is named in
``server.interfaces``. What can never be served: loopback, and what is no Ethernet (tunnels).
"""

import ctypes
import fcntl
import re
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import psutil

from netboot.config import Settings
from netboot.errors import ConfigError

_SIOCGIFHWADDR = 0x8927  # linux/sockios.h
_ARPHRD_ETHER = 1  # linux/if_arp.h
_SIOCETHTOOL = 0x8946  # linux/sockios.h
_GET_DRIVER = struct.pack("I192x", 3)  # linux/ethtool.h: struct ethtool_drvinfo, ETHTOOL_GDRVINFO
_DRIVER = slice(4, 36)
_KEY = "server.interfaces"

_NOT_BY_DEFAULT = (
    # names that the software gives its own networks
    (re.compile(r"docker\d+|docker_gwbridge|br-[0-9a-f]{12}"), "a network of Docker's own"),
    (re.compile(r"podman\d+|cni-?podman\d+|cni\d+|cbr\d+"), "a network of a container engine"),
    (re.compile(r"flannel\..*|cali[0-9a-f]+|cilium_.*|kube-.*"), "a network of Kubernetes' own"),
    (re.compile(r"virbr\d+(-nic)?"), "libvirt's own network, which has its own DHCP server"),
    (re.compile(r"lxcbr\d+|lxdbr\d+|incusbr\d+"), "a network of LXC's own"),
    (re.compile(r"veth[0-9a-f]{6,}|vnet\d+|tap\d+"), "the cable of a container or virtual machine"),
)


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as it is now.

    Attributes:
        address: its first IPv4 address, "" where it has none.
        prefix: that address's prefix length, 0 where there is none.
        mac: its hardware address, "" where it has none.
        mtu: bytes.
        up: whether it is switched on.
        never: why it cannot be served at all, "" where it can.
        skipped: why it is not served unless named, "" where it is.
        carrier: whether the link works: a cable with something at its other end.
    """

    name: str
    address: str
    prefix: int
    mac: str
    mtu: int
    up: bool = True
    never: str = ""
    skipped: str = ""
    carrier: bool = True

    def __str__(self) -> str:
        if not (self.up and self.carrier):
            return f"{self.name} ({'no carrier' if self.up else 'down'})"
        where = f"{self.address}/{self.prefix}" if self.address else "no IPv4 address"
        return f"{self.name} ({where})"


def all_interfaces() -> tuple[Interface, ...]:
    """Every interface of this network namespace, by name, fit or not."""
    stats = psutil.net_if_stats()
    return tuple(_described(name, stats[name]) for name in sorted(stats))


def interfaces() -> tuple[Interface, ...]:
    """The interfaces served by default: Ethernet, up, with an IPv4 address, nobody else's."""
    return tuple(found for found in all_interfaces() if not (_unusable(found) or found.skipped))


def choose(settings: Settings) -> tuple[Interface, ...]:
    """The interfaces to serve: those of ``server.interfaces``, else the default ones.

    Raises:
        ConfigError: a named one does not exist, is down or has no IPv4 address; or none is named
            and none will do.
    """
    existing = all_interfaces()
    if settings.interfaces:
        return tuple(_named(name, existing) for name in dict.fromkeys(settings.interfaces))
    if chosen := tuple(found for found in existing if not (_unusable(found) or found.skipped)):
        return chosen
    raise ConfigError(
        "configuration",
        _KEY,
        "is not set, and no interface will do by itself; "
        f"name one that is up and has an IPv4 address: {_listed(existing)}",
    )


def driver(name: str) -> str:
    """What drives an interface, such as ``e1000e`` or ``veth``; "" where it does not say."""
    answer = ctypes.create_string_buffer(_GET_DRIVER, len(_GET_DRIVER))
    request = struct.pack("16sP", name.encode(), ctypes.addressof(answer))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
        except OSError:
            return ""
    return answer.raw[_DRIVER].partition(b"\0")[0].decode("ascii", "replace")


def _named(name: str, existing: tuple[Interface, ...]) -> Interface:
    found = next((one for one in existing if one.name == name), None)
    problem = _no_such(name) if found is None else _unusable(found)
    if found is None or problem:
        raise ConfigError(
            "configuration", _KEY, f'= "{name}": {problem}; there are: {_listed(existing)}'
        )
    return found


def _no_such(name: str) -> str:
    short, tied, _parent = name.partition("@")  # as ip(8) shows a VLAN, a macvlan or a veth
    return f"no such interface{f' (its name is {short})' if tied else ''}"


def _unusable(found: Interface) -> str:
    """Why ``found`` cannot be served now, "" where it can."""
    if found.never:
        return found.never
    if not found.up:
        return f"is down (ip link set {found.name} up)"
    if not found.carrier:
        return "has no carrier (no cable, or its other end is off)"
    return "" if found.address else "has no IPv4 address"


def _listed(existing: tuple[Interface, ...]) -> str:
    shown = [
        f"{one}: {one.skipped}" if one.skipped else str(one) for one in existing if not one.never
    ]
    return ", ".join(shown) or "none"


def _described(name: str, state: Any) -> Interface:  # noqa: ANN401 -- psutil names no such type
    addresses = psutil.net_if_addrs().get(name, [])
    ipv4 = next((one for one in addresses if one.family == socket.AF_INET), None)
    return Interface(
        name=name,
        address=ipv4.address if ipv4 else "",
        prefix=IPv4Network(f"0.0.0.0/{ipv4.netmask}").prefixlen if ipv4 and ipv4.netmask else 0,
        mac=next((one.address for one in addresses if one.family == psutil.AF_LINK), ""),
        mtu=state.mtu,
        up="up" in state.flags.split(","),
        never="" if _is_ethernet(name) else "is no Ethernet interface",
        skipped=next((why for known, why in _NOT_BY_DEFAULT if known.fullmatch(name)), ""),
        carrier=state.isup,
    )


def _is_ethernet(name: str) -> bool:
    """Asks the kernel (netdevice(7)): /sys may be another network namespace's."""
    request = struct.pack("16sH14x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFHWADDR, request)
        except OSError:
            return False  # it went away meanwhile
    kind: int = struct.unpack_from("H", answer, 16)[0]
    return kind == _ARPHRD_ETHER
