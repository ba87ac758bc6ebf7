"""Which DHCP and PXE servers answer on an interface, found without taking a lease.

Two questions leave on a packet socket, RFC 2131:

- first an INFORM from the interface's own address (section 4.4.3): a server that pings an address
  before it offers it (dnsmasq: 3.0 s, and it hears nothing meanwhile) is only in time for this;
- then, when one server of several networks has had the INFORMs of them all, a DISCOVER that says
  ``PXEClient`` (RFC 4578), so that boot servers speak up as well. Nothing is ever REQUESTed, so no
  lease comes of it; its hardware address is made from the interface's own and always the same, so
  a server that sets an address aside does so for one address only.

The answers are told apart by what they give: an address (a DHCP server), an address and a boot
file (one with boot options), or no address but ``PXEClient`` (a ProxyDHCP server like ours).
"""

import os
import select
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from netboot.errors import MalformedPacket, OperationError
from netboot.model import Mac
from netboot.survey.network import Interface
from netboot.wire import dhcp4, iana, pxe, udp4
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from netboot.wire.udp4 import Datagram

TIMEOUT = 3.0
"""Seconds to listen when nobody answers."""
SETTLE = 1.0
"""Seconds to go on listening after the first answer, for the rivals."""
DISCOVER_AFTER = 0.2
"""Seconds between the two questions: those asked on other interfaces meanwhile get in between."""
MAX_FRAMES = 5000
"""Frames looked at; on a busy network the rest of the time is not worth it."""
MAX_SERVERS = 16
"""Servers told; more than that is an attack, or a network beyond our help."""

_ETH_P_IP = 0x0800
_MAX_FRAME = 9216
_BROADCAST_MAC = b"\xff" * 6
_BROADCAST = "255.255.255.255"
_OUR_PREFIX = "02:6e:62"  # locally administered, then "nb"
_INFORM = 8  # RFC 2132 section 9.6
_SUBNET_MASK, _ROUTER = 1, 3
_UNDI_3_16 = b"\x01\x03\x10"
_X64 = b"\x00\x07"
_WANTED = bytes(
    (
        _SUBNET_MASK,
        _ROUTER,
        iana.OPT_VENDOR_SPECIFIC,
        iana.OPT_SERVER_ID,
        iana.OPT_VENDOR_CLASS,
        iana.OPT_TFTP_SERVER_NAME,
        iana.OPT_BOOTFILE,
    )
)

_Answer = tuple[Message, str, str]  # a message, its source address, its source MAC


class Role(StrEnum):
    """What a server that answered is."""

    DHCP = "dhcp"
    DHCP_WITH_BOOT = "dhcp-with-boot-options"
    PXE = "pxe"


@dataclass(frozen=True, slots=True)
class DhcpServer:
    """A server that answered.

    Attributes:
        server_id: option 54, "" where it sent none.
        siaddr: where it sends machines for their boot file, "" where unset.
        address: the IPv4 source of its answer.
        mac: the hardware address its answer came from: the server's, or its relay's.
        bootfile: what it would have machines load, unprintable bytes escaped; "" where it names
            nothing.
        offered: the address it offered (yiaddr), "" where it made no offer of one.
        network: the network it puts machines into, such as ``192.0.2.0/24``; "" where it did not
            say.
    """

    role: Role
    server_id: str
    siaddr: str
    address: str
    mac: str
    bootfile: str = ""
    offered: str = ""
    network: str = ""

    def __str__(self) -> str:
        return f"{self.server_id or self.address} ({self.mac})"


def dhcp_servers(
    interface: Interface,
    timeout: float = TIMEOUT,
    settle: float = SETTLE,
    patience: float = 0.0,
) -> tuple[DhcpServer, ...]:
    """Ask on ``interface`` and listen; blocks. Silence is an answer: an empty tuple.

    Args:
        interface: where; it has an address.
        timeout: seconds to listen at most.
        settle: seconds to go on listening after the first answer.
        patience: seconds to listen at most where servers answered and none offered an address.

    Raises:
        OperationError: we may not ask (CAP_NET_RAW), or the interface is away or down.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as opened:
            opened.bind((interface.name, _ETH_P_IP))
            return told_apart(_asked(opened, interface, timeout, settle, patience))
    except OSError as error:
        raise OperationError(
            f"cannot look for DHCP servers on {interface.name}: {error.strerror}"
        ) from error


def told_apart(answers: Iterable[_Answer]) -> tuple[DhcpServer, ...]:
    """Answers as ``(message, source address, source MAC)`` → one entry a server, best known first.

    What an OFFER says wins over what an ACK to our INFORM says.
    """
    found: dict[tuple[str, str], DhcpServer] = {}
    by_type = sorted(answers, key=lambda answer: answer[0].type)  # OFFER is 2, ACK 5
    for message, address, mac in by_type:
        server = _described(message, address, mac)
        if len(found) < MAX_SERVERS:
            found.setdefault((server.server_id or address, mac), server)
    return tuple(found.values())


def _described(message: Message, address: str, mac: str) -> DhcpServer:
    options = message.options
    identity = options.get(iana.OPT_SERVER_ID, b"")
    bootfile = options.get(iana.OPT_BOOTFILE, b"").rstrip(b"\0") or message.file
    boots = options.get(iana.OPT_VENDOR_CLASS, b"").startswith((pxe.PXE_CLIENT, pxe.HTTP_CLIENT))
    if message.type == iana.OFFER and message.yiaddr == NO_ADDRESS and (boots or bootfile):
        role = Role.PXE
    else:
        role = Role.DHCP_WITH_BOOT if boots or bootfile else Role.DHCP
    return DhcpServer(
        role=role,
        server_id=socket.inet_ntoa(identity) if len(identity) == 4 else "",  # noqa: PLR2004 -- IPv4
        siaddr="" if message.siaddr == NO_ADDRESS else message.siaddr,
        address=address,
        mac=mac,
        bootfile=bootfile.decode("latin-1").encode("unicode_escape").decode("ascii"),
        offered="" if message.yiaddr == NO_ADDRESS else message.yiaddr,
        network=_network(message),
    )


def _network(message: Message) -> str:
    """The network of the offered address, or of the router where none was offered."""
    mask = message.options.get(_SUBNET_MASK, b"")
    router = message.options.get(_ROUTER, b"")[:4]
    inside = socket.inet_aton(message.yiaddr) if message.yiaddr != NO_ADDRESS else router
    try:
        network = IPv4Network((inside, str(IPv4Address(mask))), strict=False)
    except ValueError:  # what came is no address or no mask
        return ""
    return str(network)


def _questions(interface: Interface, xid: int) -> list[bytes]:
    ours = Mac(f"{_OUR_PREFIX}{interface.mac[8:]}")
    discover = Message(
        iana.BOOTREQUEST,
        xid,
        ours,
        {
            iana.OPT_MESSAGE_TYPE: bytes((iana.DISCOVER,)),
            iana.OPT_PARAMETER_LIST: _WANTED,
            iana.OPT_VENDOR_CLASS: b"PXEClient:Arch:00007:UNDI:003016",
            iana.OPT_CLIENT_ARCH: _X64,
            iana.OPT_CLIENT_NDI: _UNDI_3_16,
            iana.OPT_CLIENT_UUID: b"\0" * 11 + bytes.fromhex(ours.replace(":", "")),
        },
        flags=iana.BROADCAST_FLAG,
    )
    inform = discover._replace(
        chaddr=Mac(interface.mac),
        ciaddr=interface.address,
        options={
            iana.OPT_MESSAGE_TYPE: bytes((_INFORM,)),
            iana.OPT_PARAMETER_LIST: _WANTED,
        },
        flags=0,
    )
    return [
        udp4.build(
            Datagram(source, iana.DHCP_CLIENT_PORT, _BROADCAST, iana.DHCP_SERVER_PORT, payload)
        )
        for source, payload in (
            (interface.address, dhcp4.build(inform)),
            (NO_ADDRESS, dhcp4.build(discover)),
        )
    ]


def _asked(
    opened: socket.socket, interface: Interface, timeout: float, settle: float, patience: float
) -> list[_Answer]:
    xid = int.from_bytes(os.urandom(4))
    inform, discover = _questions(interface, xid)
    everybody = (interface.name, _ETH_P_IP, 0, 0, _BROADCAST_MAC)
    began = time.monotonic()
    opened.sendto(inform, everybody)
    answers = list(_heard(opened, xid, began + DISCOVER_AFTER))
    opened.sendto(discover, everybody)
    if not answers:
        answers += islice(_heard(opened, xid, began + timeout), 1)
    if answers:
        answers += _heard(opened, xid, min(time.monotonic() + settle, began + timeout))
    if answers and not any(map(_lends, answers)):
        late = filter(_lends, _heard(opened, xid, began + patience))
        answers += islice(late, 1)
    return answers


def _heard(opened: socket.socket, xid: int, deadline: float) -> Iterator[_Answer]:
    """The answers to our questions as they come, until ``deadline`` on the monotonic clock."""
    for _ in range(MAX_FRAMES):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([opened], [], [], left)[0]:
            return
        packet, link = opened.recvfrom(_MAX_FRAME)
        if (heard := _answer(packet, xid)) is not None:
            yield (*heard, link[4].hex(":"))


def _lends(answer: _Answer) -> bool:
    """Whether it offers an address."""
    message, _address, _mac = answer
    return message.type == iana.OFFER and message.yiaddr != NO_ADDRESS


def _answer(packet: bytes, xid: int) -> tuple[Message, str] | None:
    try:
        datagram = udp4.parse(packet)
        if datagram.destination_port != iana.DHCP_CLIENT_PORT:
            return None
        message = dhcp4.parse(datagram.payload)
    except MalformedPacket:
        return None
    ours = message.op == iana.BOOTREPLY and message.xid == xid
    return (message, datagram.source) if ours and message.type in (iana.OFFER, iana.ACK) else None
