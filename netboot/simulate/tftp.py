"""One TFTP read as a client (RFC 1350, 2347, 2348, 2349, 7440), without a socket or a clock.

It takes datagrams and times and gives datagrams to send. It shares nothing with the server.
"""

import struct
from collections.abc import Mapping

from netboot.simulate.effects import Got, Problem, TftpGet

PORT = 69
FIRST_TIMEOUT = 1.0
"""Seconds without progress until the last packet is sent again; doubled each time."""
LONGEST_TIMEOUT = 4.0
MAX_TRIES = 6
"""Times a packet is sent without progress before the read fails."""
LINGER = 1.0
"""Seconds the end of a read is confirmed again where the server did not hear it."""

_RRQ, _DATA, _ACK, _ERROR, _OACK = 1, 3, 4, 5, 6
_NOT_FOUND, _ILLEGAL, _UNKNOWN_ID, _OPTION_REFUSED = 1, 4, 5, 8
_BLOCKS = 1 << 16
_DEFAULT_BLKSIZE = 512
_SHORTEST = 4
_LIMITS = {"blksize": (8, 65464), "windowsize": (1, 65535), "tsize": (0, 1 << 62)}
_MAX_DETAIL = 80

Datagram = tuple[bytes, tuple[str, int]]
"""Payload and where it goes."""


class Download:
    """A read under way.

    Args:
        get: what is read.
        now: when it begins, by any clock that goes steadily forward.

    Attributes:
        got: how it ended, None while it has not.
    """

    def __init__(self, get: TftpGet, now: float) -> None:
        self._get = get
        self._server = (get.server, PORT)
        self._peer: tuple[str, int] | None = None
        self._options: Mapping[str, int] = {}
        self._last = _request(get)
        self._block = 0
        self._unacknowledged = 0
        self._complained = False
        self._size = 0
        self._body = b""
        self._tries = 0
        self._deadline: float | None = now
        self.got: Got | None = None

    @property
    def timer(self) -> float | None:
        """When ``tick`` is to be called, None for never."""
        return self._deadline

    def tick(self, now: float) -> list[Datagram]:
        """Send for the first time, or again."""
        if self.got is not None or self._deadline is None or now < self._deadline:
            return []
        if self._tries >= MAX_TRIES:
            where = f"after {self._size} bytes" if self._peer else "to the read request"
            self._end(Problem.BROKE_OFF if self._peer else Problem.NO_ANSWER, f"no answer {where}")
            return []
        self._deadline = now + min(FIRST_TIMEOUT * (1 << self._tries), LONGEST_TIMEOUT)
        self._tries += 1
        return [(self._last, self._peer or self._server)]

    def receive(self, data: bytes, peer: tuple[str, int], now: float) -> list[Datagram]:
        """Take what came; anything may come."""
        if len(data) < _SHORTEST or peer[0] != self._server[0]:
            return []
        opcode = int.from_bytes(data[:2])
        if self._peer is not None and peer != self._peer:  # RFC 1350 section 4
            return [] if opcode == _ERROR else [(_error(_UNKNOWN_ID, "Unknown transfer ID"), peer)]
        if self.got is not None:  # the server did not hear our last ACK
            again = opcode == _DATA and self.got.problem is None and not self._get.probe
            return [(self._last, peer)] if again else []
        if opcode == _DATA:
            return self._take(int.from_bytes(data[2:4]), data[4:], peer, now)
        if opcode == _OACK:
            return self._accept(data[2:], peer, now)
        return self._told(data, peer)

    def _told(self, data: bytes, peer: tuple[str, int]) -> list[Datagram]:
        if int.from_bytes(data[:2]) != _ERROR:
            return self._refuse(_ILLEGAL, "Illegal TFTP operation", peer)
        code, text = int.from_bytes(data[2:4]), data[4:].split(b"\0", 1)[0]
        said = text[:_MAX_DETAIL].decode("ascii", "replace")
        kind = Problem.MISSING if code == _NOT_FOUND else Problem.REFUSED
        self._end(kind, f"TFTP error {code}: {said}")
        return []

    def _accept(self, raw: bytes, peer: tuple[str, int], now: float) -> list[Datagram]:
        if self._block or self._size:
            return []  # a late one
        options = _options(raw)
        asked = dict(self._get.options)
        if options is None or not _agreed(options, asked):
            return self._refuse(_OPTION_REFUSED, "Option negotiation failed", peer)
        self._peer, self._options = peer, options
        if self._get.probe:
            self._end(None, "", options.get("tsize", -1))
            return [(_error(_OPTION_REFUSED, "User aborted the transfer"), peer)]
        return self._acknowledge(peer, now)

    def _take(self, block: int, data: bytes, peer: tuple[str, int], now: float) -> list[Datagram]:
        blksize = self._options.get("blksize", _DEFAULT_BLKSIZE)
        if len(data) > blksize:
            return self._refuse(_ILLEGAL, "Block larger than agreed", peer)
        self._peer = peer
        if self._get.probe:  # a server that knows no options does not tell the size
            self._end(None, "", -1)
            return [(_error(0, "User aborted the transfer"), peer)]
        if block != (self._block + 1) % _BLOCKS:
            return self._gap(block, peer)
        self._block = block
        self._size += len(data)
        if len(self._body) < self._get.keep:
            self._body += data[: self._get.keep - len(self._body)]
        self._unacknowledged += 1
        self._complained = False
        self._tries, self._deadline = 1, now + FIRST_TIMEOUT
        if len(data) < blksize:
            sent = self._acknowledge(peer, now)
            self._end(None, "", self._size)
            return sent
        if self._unacknowledged >= self._options.get("windowsize", 1):
            return self._acknowledge(peer, now)
        return []

    def _gap(self, block: int, peer: tuple[str, int]) -> list[Datagram]:
        """RFC 7440 section 4: say once where we are; a duplicate's ACK would double the traffic."""
        ahead = 0 < (block - self._block) % _BLOCKS < _BLOCKS // 2
        if not ahead or self._complained:
            return []
        self._complained = True
        self._unacknowledged = 0
        self._last = struct.pack("!HH", _ACK, self._block)
        return [(self._last, peer)]

    def _acknowledge(self, peer: tuple[str, int], now: float) -> list[Datagram]:
        self._unacknowledged = 0
        self._last = struct.pack("!HH", _ACK, self._block)
        self._tries, self._deadline = 1, now + FIRST_TIMEOUT
        return [(self._last, peer)]

    def _refuse(self, code: int, text: str, peer: tuple[str, int]) -> list[Datagram]:
        self._end(Problem.REFUSED, text)
        return [(_error(code, text), peer)]

    def _end(self, problem: Problem | None, detail: str, size: int = 0) -> None:
        self.got = Got(problem, detail, size or self._size, self._body)
        self._deadline = None


def _request(get: TftpGet) -> bytes:
    words = [get.name, "octet"]
    for name, value in get.options:
        words += [name, str(value)]
    raw = b"".join(word.encode("latin-1", "replace") + b"\0" for word in words)
    return struct.pack("!H", _RRQ) + raw


def _error(code: int, text: str) -> bytes:
    return struct.pack("!HH", _ERROR, code) + text.encode("ascii") + b"\0"


def _options(raw: bytes) -> dict[str, int] | None:
    """What an OACK says, None where it is not readable."""
    words = raw.split(b"\0")
    if words[-1] != b"" or len(words) % 2 == 0:
        return None
    found = {}
    for name, value in zip(words[:-1:2], words[1:-1:2], strict=True):
        if not value.isdigit() or len(value) > len(str(1 << 62)):
            return None
        found[name.decode("latin-1").lower()] = int(value)
    return found


def _agreed(options: Mapping[str, int], asked: Mapping[str, int]) -> bool:
    """RFC 2347: only what was asked; RFC 2348, 7440: no more of it than was asked."""
    for name, value in options.items():
        if name not in asked or name not in _LIMITS:
            return False
        least, most = _LIMITS[name]
        if name != "tsize":
            most = asked[name]
        if not least <= value <= most:
            return False
    return True
