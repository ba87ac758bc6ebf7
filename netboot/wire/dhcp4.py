"""A DHCPv4 message: bytes ↔ ``Message`` (RFC 2131 section 2, options by RFC 2132 and 3396).

Whatever comes in, ``parse`` gives a ``Message`` or raises ``MalformedPacket`` with a short reason
to count by, nothing else. It is liberal where firmware is sloppy (a missing END option, padding,
a message shorter than BOOTP's 300 bytes) and strict where a lie could hurt (an option that runs
past the packet, a hardware address that is none).

     0               1               2               3
    +---------------+---------------+---------------+---------------+
    | op            | htype         | hlen          | hops          |
    +---------------+---------------+---------------+---------------+
    | xid                                                           |
    +-------------------------------+-------------------------------+
    | secs                          | flags                         |
    +-------------------------------+-------------------------------+
    | ciaddr, yiaddr, siaddr, giaddr                     (4 each)    |
    +---------------------------------------------------------------+
    | chaddr (16), sname (64), file (128), cookie (4), options …    |
"""

import struct
from collections.abc import Iterator, Mapping
from socket import inet_aton, inet_ntoa
from types import MappingProxyType
from typing import NamedTuple

from netboot.errors import MalformedPacket
from netboot.model import Mac
from netboot.wire import iana

HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
"""Fixed part with the magic cookie, 240 bytes."""
MINIMUM_SIZE = 300
"""RFC 1542 section 2.1: shorter replies are dropped by some clients and relays."""
MAXIMUM_SIZE = 4096
"""No client sends more; a datagram above this is not worth reading."""

_FILE_HOLDS_OPTIONS = 1  # option 52, RFC 2132 section 9.3
_SNAME_HOLDS_OPTIONS = 2
_LONGEST_OPTION = 255

NO_ADDRESS = "0.0.0.0"  # noqa: S104 -- "none" in a header, not a bind address


class Message(NamedTuple):
    """One DHCPv4 message over Ethernet.

    Attributes:
        op: BOOTREQUEST or BOOTREPLY.
        chaddr: the client's hardware address.
        sname: server host name, without its padding.
        file: boot file name, without its padding.
        ciaddr, yiaddr, siaddr, giaddr: dotted IPv4 addresses, ``NO_ADDRESS`` where unset.
        options: option code → value; one split over several (RFC 3396) is whole again.
    """

    op: int
    xid: int
    chaddr: Mac
    options: Mapping[int, bytes] = MappingProxyType({})
    hops: int = 0
    secs: int = 0
    flags: int = 0
    ciaddr: str = NO_ADDRESS
    yiaddr: str = NO_ADDRESS
    siaddr: str = NO_ADDRESS
    giaddr: str = NO_ADDRESS
    sname: bytes = b""
    file: bytes = b""

    @property
    def type(self) -> int:
        """The DHCP message type (option 53), 0 for plain BOOTP."""
        value = self.options.get(iana.OPT_MESSAGE_TYPE, b"\0")
        return value[0] if len(value) == 1 else 0


def parse(data: bytes) -> Message:
    """Read one UDP payload.

    Raises:
        MalformedPacket: it is no DHCPv4 message over Ethernet.
    """
    if len(data) < HEADER.size:
        raise MalformedPacket("dhcp: shorter than a header")
    if len(data) > MAXIMUM_SIZE:
        raise MalformedPacket("dhcp: larger than any client sends")
    (op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file,
     cookie) = HEADER.unpack_from(data)  # fmt: skip
    if op not in (iana.BOOTREQUEST, iana.BOOTREPLY):
        raise MalformedPacket("dhcp: op is neither request nor reply")
    if htype != iana.HTYPE_ETHERNET or hlen != iana.HLEN_ETHERNET:
        raise MalformedPacket("dhcp: hardware is not Ethernet")
    if cookie != iana.MAGIC_COOKIE:
        raise MalformedPacket("dhcp: no magic cookie")
    if chaddr[0] & 1 or not any(chaddr[:6]):
        raise MalformedPacket("dhcp: chaddr is no machine's address")
    options: dict[int, bytes] = {}
    _collect(data, options, HEADER.size)
    overload = options.pop(iana.OPT_OVERLOAD, b"\0")[:1]
    if overload and overload[0] & _FILE_HOLDS_OPTIONS:
        _collect(file, options)
        file = b""
    if overload and overload[0] & _SNAME_HOLDS_OPTIONS:
        _collect(sname, options)
        sname = b""
    return Message(
        op=op,
        xid=xid,
        chaddr=Mac(chaddr[:6].hex(":")),
        options=options,
        hops=hops,
        secs=secs,
        flags=flags,
        ciaddr=inet_ntoa(ciaddr),
        yiaddr=inet_ntoa(yiaddr),
        siaddr=inet_ntoa(siaddr),
        giaddr=inet_ntoa(giaddr),
        sname=sname.split(b"\0", 1)[0],
        file=file.split(b"\0", 1)[0],
    )


def build(message: Message) -> bytes:
    """Write ``message`` as a UDP payload of at least ``MINIMUM_SIZE`` bytes.

    Raises:
        ValueError: ``sname`` or ``file`` does not fit its field.
    """
    if len(message.sname) > 64 or len(message.file) > 128:  # noqa: PLR2004 -- RFC 2131 field sizes
        raise ValueError("sname holds 64 bytes and file 128")
    fixed = HEADER.pack(
        message.op,
        iana.HTYPE_ETHERNET,
        iana.HLEN_ETHERNET,
        message.hops,
        message.xid,
        message.secs,
        message.flags,
        inet_aton(message.ciaddr),
        inet_aton(message.yiaddr),
        inet_aton(message.siaddr),
        inet_aton(message.giaddr),
        chaddr_field(message.chaddr),
        message.sname,
        message.file,
        iana.MAGIC_COOKIE,
    )
    options = b"".join(option(code, value) for code, value in message.options.items())
    return (fixed + options + bytes([iana.END])).ljust(MINIMUM_SIZE, b"\0")


def option(code: int, value: bytes) -> bytes:
    """One option; a value over 255 bytes is split (RFC 3396)."""
    if len(value) <= _LONGEST_OPTION:
        return bytes((code, len(value))) + value
    parts = [value[i : i + _LONGEST_OPTION] for i in range(0, len(value), _LONGEST_OPTION)]
    return b"".join(bytes([code, len(part)]) + part for part in parts)


def chaddr_field(mac: Mac) -> bytes:
    """``mac`` as the 16-byte header field."""
    return bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")


def split_options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option in a run of options, also of those inside option 43.

    Raises:
        MalformedPacket: an option runs past the end.
    """
    position, end = 0, len(data)
    while position < end:
        code = data[position]
        position += 1
        if code == iana.PAD:
            continue
        if code == iana.END:
            return
        if position >= end or position + 1 + data[position] > end:
            raise MalformedPacket("dhcp: an option runs past the end")
        length = data[position]
        yield code, data[position + 1 : position + 1 + length]
        position += 1 + length


def _collect(data: bytes, options: dict[int, bytes], position: int = 0) -> None:
    """Add what ``split_options`` gives from ``position`` on, without a generator's cost."""
    end = len(data)
    while position < end and (code := data[position]) != iana.END:
        position += 1
        if code == iana.PAD:
            continue
        if position >= end or position + 1 + data[position] > end:
            raise MalformedPacket("dhcp: an option runs past the end")
        start, position = position + 1, position + 1 + data[position]
        options[code] = options.get(code, b"") + data[start:position]
