"""A request's head as we read it, and the short way to one: RFC 9112 sections 2 to 5.

twisted.web.http reads every head there can be, in some 80 µs. Nearly all that ever come are plain:
GET or HEAD, a path, a few fields of printable ASCII, no body, all of it in one piece. Those are
read here, by one regular expression. Whatever is not plain, for whichever reason, is Twisted's to
read and to judge; both ways must come to the same ``RequestHead``.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from netboot.boot.http_limits import HttpLimits

MAX_KEPT = 64
"""Field lines that are kept as they were read: machines with the same firmware send the same."""

_PLAIN = re.compile(
    rb"(GET|HEAD) (/[!-~]*) (HTTP/1\.[01])\r\n"  # request-line, in origin-form
    rb"((?:[A-Za-z0-9-]+:[\t -~]*\r\n)*)"  # field-lines
    rb"\r\n"
)
_NOT_PLAIN = frozenset({"content-length", "transfer-encoding", "expect"})
"""Fields that mean a body, or that one is to come."""
_OWS = " \t"


class RequestHead(NamedTuple):
    """A request line and its fields.

    Attributes:
        target: as it was sent, percent-encoded, with its query.
        version: ``HTTP/1.0`` or ``HTTP/1.1``.
        fields: value by name in lower case, of those fields that were sent exactly once; bytes
            beyond ASCII are the characters of Latin-1.
        persistent: the connection is to be kept (section 9.3); HTTP/1.0 may ask for it too.
    """

    method: bytes
    target: bytes
    version: bytes
    fields: Mapping[str, str]
    persistent: bool


def read_plain(data: bytes, limits: HttpLimits) -> RequestHead | None:
    """Read ``data`` where it is exactly one plain head within ``limits``; else None."""
    if len(data) > min(limits.line_bytes, limits.head_bytes):
        return None
    plain = _PLAIN.fullmatch(data)
    if plain is None:
        return None
    method, target, version, lines = plain.groups()
    read = _fields if b"Range" in lines else _kept_fields  # nearly every range is another
    fields = read(lines)
    if fields is None or len(fields) > limits.head_fields:
        return None
    persistent = persists(version, fields.get("connection", ""))
    return RequestHead(method, target, version, fields, persistent)


def _fields(lines: bytes) -> Mapping[str, str] | None:
    """The fields by name; None where one came twice, or says that a body does."""
    pairs = [line.split(":", 1) for line in lines.decode("ascii").split("\r\n")[:-1]]
    fields = {name.lower(): value.strip(_OWS) for name, value in pairs}
    plain = len(fields) == len(pairs) and _NOT_PLAIN.isdisjoint(fields)
    return fields if plain else None


_kept_fields = lru_cache(MAX_KEPT)(_fields)


def persists(version: bytes, connection: str) -> bool:
    """Whether the connection is kept after a request (section 9.3).

    Args:
        version: of the request.
        connection: the value of its Connection fields, joined by commas.
    """
    tokens = {token.strip(_OWS) for token in connection.lower().split(",")} if connection else ()
    return "close" not in tokens and (version == b"HTTP/1.1" or "keep-alive" in tokens)
