"""DHCPv4 as a client has it (RFC 2131): requests built, replies read.

Reading is by this module alone and never raises: what is no reply is None.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from socket import inet_aton, inet_ntoa

from netboot.model import Mac
from netboot.wire import iana

NO_ADDRESS = "0.0.0.0"  # noqa: S104 -- "none" in a header, not a bind address
NAK, RELEASE = 6, 7  # RFC 2132 section 9.6
OPT_DNS, OPT_CLIENT_ID = 6, 61  # RFC 2132
PXE_DISCOVERY_TAGS = frozenset({6, 7, 8, 9, 10, 71})
"""Sub-options of 43 by which a PXE client knows a discovery offer (PXE 2.1 table 2-1)."""

_HEADER = struct.Struct("!4BIHH4s4s4s4s16s64s128s4s")
_ADDRESS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What changes from one DHCP request to the next.

    Attributes:
        options: code and value, in the order they stand in the packet.
        ciaddr: the address the client has, "0.0.0.0" where it has none yet.
    """

    xid: int
    mac: Mac
    options: tuple[tuple[int, bytes], ...]
    secs: int = 0
    flags: int = 0
    ciaddr: str = NO_ADDRESS
    giaddr: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said.

    Attributes:
        source: address and port it came from.
        siaddr, server_id, yiaddr: dotted addresses, "" where unset.
        vendor_class: option 60.
        vendor: option 43, None where there is none.
        tags: sub-options of 43, as far as it reads as any.
        bootfile: option 67, else the header's ``file``.
        tftp_server: option 66.
    """

    type: int
    xid: int
    mac: Mac
    source: tuple[str, int]
    yiaddr: str
    siaddr: str
    server_id: str
    vendor_class: bytes
    vendor: bytes | None
    tags: Mapping[int, bytes]
    bootfile: str
    tftp_server: str
    has_dns: bool

    @property
    def is_pxe(self) -> bool:
        """Whether it is meant for PXE clients."""
        return self.vendor_class.startswith(b"PXEClient")

    @property
    def discovers(self) -> bool:
        """Whether its option 43 has anything about discovery."""
        return self.is_pxe and not PXE_DISCOVERY_TAGS.isdisjoint(self.tags)

    @property
    def uses_bootfile(self) -> bool:
        """Whether it says: no discovery, take the boot file of this very packet."""
        control = self.tags.get(iana.PXE_DISCOVERY_CONTROL, b"")
        return bool(self.bootfile and control and control[0] & iana.PXE_SKIP_DISCOVERY)

    @property
    def boot_server(self) -> str:
        """Where its boot file is: siaddr, else option 54."""
        return self.siaddr or self.server_id


def build(request: Request) -> bytes:
    """``request`` as a UDP payload."""
    header = _HEADER.pack(
        iana.BOOTREQUEST,
        iana.HTYPE_ETHERNET,
        iana.HLEN_ETHERNET,
        1 if request.giaddr else 0,
        request.xid,
        request.secs,
        request.flags,
        inet_aton(request.ciaddr),
        bytes(_ADDRESS),
        bytes(_ADDRESS),
        inet_aton(request.giaddr or NO_ADDRESS),
        bytes.fromhex(request.mac.replace(":", "")),
        b"",
        b"",
        iana.MAGIC_COOKIE,
    )
    options = b"".join(bytes((code, len(value))) + value for code, value in request.options)
    return header + options + bytes((iana.END,))


def read(payload: bytes, source: tuple[str, int]) -> Reply | None:
    """The reply in a UDP payload, None for what is none."""
    if len(payload) < _HEADER.size:
        return None
    op, _htype, hlen, _hops, xid, _secs, _flags, _ci, yiaddr, siaddr, _gi, chaddr, sname, file, \
        cookie = _HEADER.unpack_from(payload)  # fmt: skip
    if op != iana.BOOTREPLY or hlen != iana.HLEN_ETHERNET or cookie != iana.MAGIC_COOKIE:
        return None
    options = _joined(_options(payload[_HEADER.size :]))
    overload = (options.get(iana.OPT_OVERLOAD) or b"\0")[0]
    for bit, holder in ((1, file), (2, sname)):  # RFC 2132 section 9.3
        if overload & bit:
            options = _joined(_options(holder)) | options
    name = options.get(iana.OPT_BOOTFILE) or (b"" if overload & 1 else file)
    vendor = options.get(iana.OPT_VENDOR_SPECIFIC)
    return Reply(
        type=(options.get(iana.OPT_MESSAGE_TYPE) or b"\0")[0],
        xid=xid,
        mac=Mac(chaddr[:6].hex(":")),
        source=source,
        yiaddr=_address(yiaddr),
        siaddr=_address(siaddr),
        server_id=_address(options.get(iana.OPT_SERVER_ID, b"")),
        vendor_class=options.get(iana.OPT_VENDOR_CLASS, b""),
        vendor=vendor,
        tags=_joined(_options(vendor or b"")),
        bootfile=_text(name),
        tftp_server=_text(options.get(iana.OPT_TFTP_SERVER_NAME, b"")),
        has_dns=OPT_DNS in options,
    )


def is_address(text: str) -> bool:
    """Whether ``text`` is an IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _options(data: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(data) and data[at] != iana.END:
        if data[at] == iana.PAD:
            at += 1
            continue
        value = data[at + 2 : at + 2 + data[at + 1]]
        if len(value) < data[at + 1]:
            return
        yield data[at], value
        at += 2 + len(value)


def _joined(options: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    """An option that comes twice is one that was split (RFC 3396)."""
    found: dict[int, bytes] = {}
    for code, value in options:
        found[code] = found.get(code, b"") + value
    return found


def _address(value: bytes) -> str:
    return inet_ntoa(value) if len(value) == _ADDRESS and any(value) else ""


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("latin-1")
