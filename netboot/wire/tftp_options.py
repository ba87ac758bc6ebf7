"""What a read request's options come to (RFC 2347, 2348, 2349, 7440): a pure choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from netboot.wire.tftp import (
    BLOCK_MASK,
    DEFAULT_BLKSIZE,
    MAX_BLKSIZE,
    MIN_BLKSIZE,
    Mode,
    ReadRequest,
)

MAX_WINDOWSIZE = 16
"""Blocks in a window that we agree to: a longer burst can overrun a ROM's receive ring."""
WINDOWSIZE_BOUND = 1024
"""Blocks in a window, whatever is configured: far from 65536, an old ACK never passes for new."""
MAX_WINDOW = 1 << 20
"""Bytes in a window, likewise."""
MAX_TIMEOUT = 20
"""Longest ``timeout`` option in seconds that we agree to: it says how long a dead peer is kept."""
ETHERNET_MTU = 1500
OVERHEAD = 32
"""Bytes of a DATA packet that are no payload: IPv4 20, UDP 8, TFTP 4."""

_MAX_DIGITS = 20  # of 2**64; int() of an endless row of digits is slow


@dataclass(frozen=True, slots=True)
class Terms:
    """What both sides agreed to.

    Attributes:
        blksize: payload bytes of every block but the last.
        windowsize: blocks sent before an ACK is due.
        timeout: seconds between repetitions, None where they are ours to choose.
        accepted: the options for the OACK, empty where none is due.
    """

    blksize: int = DEFAULT_BLKSIZE
    windowsize: int = 1
    timeout: int | None = None
    accepted: Mapping[str, str] = field(default_factory=dict)


def negotiate(request: ReadRequest, size: int, mtu: int, max_windowsize: int) -> Terms:
    """Choose what to agree to, in the order it was requested.

    An option that is unknown, or whose value is out of its range, is left out of the OACK and the
    client goes on without it (RFC 2347). ``blksize`` and ``windowsize`` may be lowered; ``timeout``
    holds as asked or not at all. ``tsize`` is told for octet only: a text's length on the wire is
    not known beforehand.

    Args:
        request: the RRQ.
        size: bytes of the file.
        mtu: bytes of the largest packet that goes to the client unfragmented.
        max_windowsize: the most blocks to agree to.
    """
    agreed: dict[str, int] = {}
    for name, value in request.options.items():
        number = _number(value)
        if number is None:
            continue
        if name == "blksize" and number >= MIN_BLKSIZE:
            agreed[name] = min(number, MAX_BLKSIZE, max(mtu - OVERHEAD, MIN_BLKSIZE))
        elif name == "windowsize" and 1 <= number <= BLOCK_MASK:
            agreed[name] = min(number, max_windowsize, WINDOWSIZE_BOUND)
        elif name == "timeout" and 1 <= number <= MAX_TIMEOUT:
            agreed[name] = number
        elif name == "tsize" and request.mode is Mode.OCTET:
            agreed[name] = size
    blksize = agreed.get("blksize", DEFAULT_BLKSIZE)
    if "windowsize" in agreed:
        agreed["windowsize"] = min(agreed["windowsize"], MAX_WINDOW // blksize)
    accepted = {name: str(number) for name, number in agreed.items()}
    return Terms(blksize, agreed.get("windowsize", 1), agreed.get("timeout"), accepted)


def _number(value: str) -> int | None:
    plain = value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS
    return int(value) if plain else None
