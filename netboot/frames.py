"""The language of the link between the boot and the control program: bytes ↔ messages, no I/O.

A frame is a length (four bytes, network order, bounded) and that many bytes of JSON::

    +--------+--------+--------+--------+----------------------------
    |        length of the rest         |  {"type": …}
    +--------+--------+--------+--------+----------------------------

The conversation, over one stream::

    boot                                  control
     ── Hello(instance) ────────────────────▶
     ◀──────────────── Ack(highest committed) ──
     ◀──────────────────────── Feed(snapshot) ──   at once, and after each change
     ── Batch(numbered events) ─────────────▶
     ◀──────────────── Ack(highest committed) ──   after the commit, never before
     ── Counts(what was counted) ───────────▶      now and then; not answered

``instance`` is new for each run of a boot program and its events are numbered from 1, so control
can tell a batch it has seen already (the Ack was lost) from a new one: nothing is lost or doubled
by a connection that breaks, or by a kill of control, at any byte.
"""

import struct
from collections.abc import Iterator

import msgspec

MAX_FROM_BOOT = 4 * 1024 * 1024
"""Bytes of one frame control accepts; a batch is far below."""
MAX_FROM_CONTROL = 64 * 1024 * 1024
"""Bytes of one frame boot accepts: a snapshot of 100,000 nodes with their variables."""

_LENGTH = struct.Struct("!I")


class FrameError(ValueError):
    """The other end does not speak this language; the connection is worth nothing any more."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Boot says which run of it this is: 1 to 64 characters, unique."""

    instance: str


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Control has committed this instance's events up to and including ``seq``; 0 for none."""

    seq: int


class Feed(msgspec.Struct, frozen=True, tag="snapshot"):
    """A whole snapshot as ``netboot.snapshot.encode`` gives it."""

    snapshot: msgspec.Raw


class Batch(msgspec.Struct, frozen=True, tag="events"):
    """Events in the order of their numbers, each an ``Event`` as JSON; numbers may have gaps."""

    events: list[tuple[int, msgspec.Raw]]


class Counts(msgspec.Struct, frozen=True, tag="counts"):
    """What this run of boot has counted since its start, and where it serves.

    Attributes:
        dropped: reason → packets, requests and events.
        dhcp: ``"x64 offered"`` → network boot requests.
        tftp_bytes: acknowledged by machines.
        interfaces: name → our address there.
        servers: a DHCP server's address → how often machines took its offers, and when last.
    """

    dropped: dict[str, int]
    dhcp: dict[str, int] = {}
    tftp_bytes: int = 0
    interfaces: dict[str, str] = {}
    servers: dict[str, tuple[int, float]] = {}


Message = Hello | Ack | Feed | Batch | Counts

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def pack(message: Message) -> bytes:
    """One message as one frame."""
    body = _ENCODER.encode(message)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts a stream of bytes, however it is chopped, into messages.

    Args:
        limit: the longest frame accepted, in bytes; it bounds the memory kept too.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take what arrived; give every message that is now complete.

        Raises:
            FrameError: a frame is too long or holds no message.
        """
        self._buffer += data
        while (length := self._frame_length()) is not None:
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _message(body)

    def _frame_length(self) -> int | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self._limit:
            raise FrameError(f"a frame of {length} bytes; at most {self._limit} are allowed")
        return int(length)


def _message(body: bytes) -> Message:
    try:
        return _DECODER.decode(body)
    except ValueError as error:
        raise FrameError(f"no message: {error}") from None
