"""One HTTP/1.1 reply as a client reads it (RFC 9112), without a socket."""

import re

from netboot.simulate.effects import Got, HttpGet, Problem

MAX_HEAD = 1 << 14
"""Bytes of a reply's header."""
MAX_CHUNK_LINE = 1024
"""Bytes of the line before a chunk."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([ -~]*))?")
_OK, _MISSING = 200, (404, 410)
_MAX_DIGITS = 15
_NO_REPLY = Got(Problem.REFUSED, "what came is no HTTP reply")


class Reply:
    """A reply as it comes.

    Attributes:
        got: how it ended, None while it has not.
    """

    def __init__(self, get: HttpGet) -> None:
        self._get = get
        self._pending = b""
        """Header or chunk line that has not come whole."""
        self._left: int | None = None
        """Bytes of the body or chunk still to come; None: to the connection's end."""
        self._in_body = self._chunked = False
        self._size = 0
        self._body = b""
        self.got: Got | None = None

    def receive(self, data: bytes) -> None:
        """Take what came, b"" for the connection's end."""
        if self.got is not None:
            return
        if not data:
            self._connection_ended()
            return
        if not self._in_body:
            self._pending += data
            head, found, data = self._pending.partition(b"\r\n\r\n")
            if len(head) > MAX_HEAD:
                self.got = _NO_REPLY
            if not found or self.got is not None:
                return
            self._pending = b""
            self._read_head(head.split(b"\r\n"))
        while data and self.got is None:
            data = self._read_chunk_line(data) if self._at_chunk_line else self._take(data)

    @property
    def _at_chunk_line(self) -> bool:
        return self._chunked and self._left == 0

    def _read_head(self, lines: list[bytes]) -> None:
        status = _STATUS.fullmatch(lines[0])
        if status is None:
            self.got = _NO_REPLY
            return
        code = int(status[1])
        if code != _OK:
            problem = Problem.MISSING if code in _MISSING else Problem.REFUSED
            said = (status[2] or b"").decode("ascii")
            self.got = Got(problem, f"HTTP {code} {said}".rstrip())
            return
        fields = dict(_field(line) for line in lines[1:])
        self._in_body = True
        self._chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        length = fields.get(b"content-length")
        if self._get.head:
            self.got = Got()
        elif self._chunked:
            self._left = 0
        elif length is not None:
            self._left = _number(length, 10)
            if self._left is None:
                self.got = _NO_REPLY
            elif self._left == 0:
                self._whole()

    def _read_chunk_line(self, data: bytes) -> bytes:
        line, found, rest = (self._pending + data).partition(b"\n")
        self._pending = b"" if found else line
        if len(line) > MAX_CHUNK_LINE:
            self.got = _NO_REPLY
        elif found and line.strip():  # an empty one ends the chunk before
            self._left = _number(line.split(b";", 1)[0].strip(), 16)
            if self._left is None:
                self.got = _NO_REPLY
            elif self._left == 0:
                self._whole()
        return rest

    def _take(self, data: bytes) -> bytes:
        taken = data if self._left is None else data[: self._left]
        self._size += len(taken)
        if len(self._body) < self._get.keep:
            self._body += taken[: self._get.keep - len(self._body)]
        if self._left is not None:
            self._left -= len(taken)
            if self._left == 0 and not self._chunked:
                self._whole()
        return data[len(taken) :]

    def _connection_ended(self) -> None:
        if self._in_body and self._left is None:
            self._whole()
        else:
            problem = f"the connection ended after {self._size} bytes"
            self.got = Got(Problem.BROKE_OFF, problem, self._size)

    def _whole(self) -> None:
        self.got = Got(None, "", self._size, self._body)


def request(get: HttpGet, target: str, host: str) -> bytes:
    """The request for ``target`` of ``host``."""
    return (
        f"{'HEAD' if get.head else 'GET'} {target} HTTP/1.1\r\nHost: {host}\r\n"
        f"User-Agent: {get.agent}\r\nConnection: close\r\n\r\n"
    ).encode("latin-1", "replace")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _number(text: bytes, base: int) -> int | None:
    """A length, None for what is none."""
    if not text.isalnum() or len(text) > _MAX_DIGITS:
        return None
    try:
        return int(text, base)
    except ValueError:
        return None
