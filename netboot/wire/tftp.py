"""TFTP packets: bytes to values and back (RFC 1350, options by RFC 2347).

::

    RRQ, WRQ   | 1 or 2 | filename | 0 | mode | 0 | option | 0 | value | 0 | ...
    DATA       | 3 | block | 0 to blksize bytes |
    ACK        | 4 | block |
    ERROR      | 5 | code | message | 0 |
    OACK       | 6 | option | 0 | value | 0 | ...

Opcodes, blocks and codes are 16 bits, big-endian. Strict in what is sent, and lenient where real
firmware is known to be careless and no meaning is lost: an ERROR without its closing NUL, an ACK
with bytes behind it, a request padded with NULs. Modes and option names are compared without
case; of an option named twice the first counts (RFC 2347 allows only one). Anything else that is
not in the drawing above raises ``MalformedPacket``, whose text is one of a few fixed reasons.

Text from the network is made printable here, once: what is not printable ASCII or Unicode is
escaped with a backslash, so that no name can forge a line of a log.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import partial

from netboot.errors import MalformedPacket

MAX_REQUEST = 1472
"""Bytes of a request: one Ethernet frame. RFC 2347 says 512; a long path may exceed that."""
MAX_OPTIONS = 32
"""Options in one packet; the busiest firmware sends five."""
MAX_MESSAGE = 200
"""Characters of a peer's error message that are kept."""
MIN_BLKSIZE = 8
DEFAULT_BLKSIZE = 512
MAX_BLKSIZE = 65464
"""Largest block, RFC 2348 section "Blocksize Option Specification"."""
BLOCK_MASK = 0xFFFF
"""Block numbers are 16 bits; after 65535 comes 0."""

_HEADER = struct.Struct("!HH")
_OPCODE = struct.Struct("!H")
_ACK = b"\0\x04"


class Opcode(IntEnum):
    """RFC 1350 section 5, RFC 2347."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(IntEnum):
    """RFC 1350 appendix I, RFC 2347."""

    UNDEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_REFUSED = 8


class Mode(StrEnum):
    """Transfer modes; ``mail`` is obsolete (RFC 1350 section 1)."""

    NETASCII = "netascii"
    OCTET = "octet"


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """RRQ. ``options``: lower-case name to value, in the order they were sent."""

    filename: str
    mode: Mode = Mode.OCTET
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """WRQ, with the fields of an RRQ."""

    filename: str
    mode: Mode = Mode.OCTET
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """DATA: block 1 is the first; a payload shorter than blksize is the last."""

    block: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK: every block up to this one has arrived; block 0 acknowledges an OACK."""

    block: int


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR: it ends a transfer and is never answered. ``code`` may have no name in RFC 1350."""

    code: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class OptionAck:
    """OACK: the options that hold, a subset of those requested."""

    options: Mapping[str, str]


Packet = ReadRequest | WriteRequest | Data | Ack | Error | OptionAck


def parse(datagram: bytes) -> Packet:
    """Read one UDP payload.

    Raises:
        MalformedPacket: it is no TFTP packet; the text is a reason to count by.
    """
    if len(datagram) < _OPCODE.size:
        raise MalformedPacket("tftp: no opcode")
    (opcode,) = _OPCODE.unpack_from(datagram)
    match opcode:
        case Opcode.RRQ:
            return ReadRequest(*_request(datagram))
        case Opcode.WRQ:
            return WriteRequest(*_request(datagram))
        case Opcode.DATA:
            return _data(datagram)
        case Opcode.ACK:
            return Ack(_second_field(datagram))
        case Opcode.ERROR:
            message, _, _ = datagram[_HEADER.size :].partition(b"\0")
            return Error(_second_field(datagram), _printable(message)[:MAX_MESSAGE])
        case Opcode.OACK:
            return OptionAck(_options(_strings(datagram)))
        case _:
            raise MalformedPacket("tftp: unknown opcode")


def acknowledged(datagram: bytes) -> int | None:
    """Return the block of an ACK, None for any other packet; ``parse`` for the packet of every hop.

    Raises:
        MalformedPacket: an ACK without its block.
    """
    if not datagram.startswith(_ACK):
        return None
    if len(datagram) < _HEADER.size:
        raise MalformedPacket("tftp: cut short")
    return datagram[2] << 8 | datagram[3]


def is_request(datagram: bytes) -> bool:
    """Whether it is an RRQ or a WRQ, well formed or not: what a server's own port is for."""
    return datagram.startswith((b"\0\x01", b"\0\x02"))


# ``build`` for the packets of every hop; a plain int, for struct takes longer over an Opcode
data_header: Callable[[int], bytes] = partial(_HEADER.pack, int(Opcode.DATA))
"""Called with a block from 0 to 65535: the four bytes before a DATA packet's payload."""
ack: Callable[[int], bytes] = partial(_HEADER.pack, int(Opcode.ACK))
"""Called with a block from 0 to 65535: an ACK."""


def build(packet: Packet) -> bytes:
    """Lay a packet out; ``parse`` gives the same packet back.

    Raises:
        ValueError: a NUL inside a string, or a block or code beyond 16 bits.
    """
    match packet:
        case Data(block, payload):
            return _header(Opcode.DATA, block) + payload
        case Ack(block):
            return _header(Opcode.ACK, block)
        case Error(code, message):
            return _header(Opcode.ERROR, code) + _terminated(message)
        case OptionAck(options):
            return _OPCODE.pack(Opcode.OACK) + _joined(options)
        case ReadRequest(filename, mode, options):
            opcode = Opcode.RRQ
        case WriteRequest(filename, mode, options):
            opcode = Opcode.WRQ
    return _OPCODE.pack(opcode) + _terminated(filename) + _terminated(mode) + _joined(options)


def to_netascii(text: bytes) -> bytes:
    r"""Encode bytes of a Unix file for the wire: LF becomes CR LF, CR becomes CR NUL (RFC 764).

    It keeps no state between bytes, so a file may be encoded piece by piece.
    """
    return text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


def _second_field(datagram: bytes) -> int:
    if len(datagram) < _HEADER.size:
        raise MalformedPacket("tftp: cut short")
    field: int = _HEADER.unpack_from(datagram)[1]
    return field


def _data(datagram: bytes) -> Data:
    if len(datagram) > _HEADER.size + MAX_BLKSIZE:
        raise MalformedPacket("tftp: block too long")
    return Data(_second_field(datagram), datagram[_HEADER.size :])


def _request(datagram: bytes) -> tuple[str, Mode, Mapping[str, str]]:
    strings = _strings(datagram)
    if len(strings) < 2:  # noqa: PLR2004 -- filename and mode
        raise MalformedPacket("tftp: request without mode")
    filename, mode, *options = strings
    try:
        known = Mode(mode.lower().decode("ascii"))
    except ValueError:  # UnicodeDecodeError is one too
        raise MalformedPacket("tftp: unknown mode") from None
    return _printable(filename), known, _options(options)


def _strings(datagram: bytes) -> list[bytes]:
    """Split everything behind the opcode into its NUL-terminated strings."""
    if len(datagram) > MAX_REQUEST:
        raise MalformedPacket("tftp: request too long")
    *strings, rest = datagram[_OPCODE.size :].split(b"\0")
    if rest:
        raise MalformedPacket("tftp: string without its NUL")
    return strings


def _options(strings: list[bytes]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if len(strings) > 2 * MAX_OPTIONS and any(strings[2 * MAX_OPTIONS :]):
        raise MalformedPacket("tftp: too many options")
    for at in range(0, len(strings), 2):
        name, value = strings[at], strings[at + 1 : at + 2]
        if not name:
            if any(strings[at:]):
                raise MalformedPacket("tftp: option without name")
            break  # NULs up to the end: padding
        if not value:
            raise MalformedPacket("tftp: option without value")
        found.setdefault(_printable(name).lower(), _printable(value[0]))
    return found


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _header(opcode: Opcode, value: int) -> bytes:
    try:
        return _HEADER.pack(opcode, value)
    except struct.error:
        raise ValueError(f"{value} does not fit 16 bits") from None


def _terminated(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"{text!r} contains a NUL")
    return text.encode() + b"\0"


def _joined(options: Mapping[str, str]) -> bytes:
    return b"".join(_terminated(name) + _terminated(value) for name, value in options.items())
