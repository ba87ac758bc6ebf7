"""What goes back over HTTP: a status, a few fields and a body; RFC 9112 section 4.

Every reply says its Content-Length, so every connection can be kept. Every error has a body of
one line: shim 16.1 hangs for ever on a 404 without one.
"""

import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from html import escape
from http import HTTPStatus
from typing import NamedTuple

from netboot.boot.sendfile import Part

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
HTML = "text/html; charset=utf-8"

_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NOT_MODIFIED = 304

Fields = tuple[tuple[str, str], ...]


class Reply(NamedTuple):
    """A whole reply in memory.

    Attributes:
        fields: header fields besides Date, Server, Content-Type and Content-Length.
    """

    status: int
    body: bytes
    content_type: str | None = TEXT
    fields: Fields = ()

    @property
    def length(self) -> int:
        """The Content-Length."""
        return len(self.body)


class FileReply(NamedTuple):
    """A reply whose body is parts of an open file.

    Attributes:
        fd: the file, which whoever holds the reply closes; None for the reply to a HEAD.
        parts: the body in order.
        length: bytes of all parts together.
    """

    status: int
    fd: int | None
    parts: Sequence[Part]
    length: int
    content_type: str | None = BINARY
    fields: Fields = ()


def text(status: int, line: str, fields: Fields = ()) -> Reply:
    """A reply of one line for a person."""
    return Reply(status, f"{line}\n".encode(), TEXT, fields)


def listing(folder: str, names: Sequence[str]) -> Reply:
    """A folder's page, in the form that programs look for file names in."""
    title = f"Index of {escape(folder)}"
    lines = [f'<a href="{escape(name)}">{escape(name)}</a>' for name in names]
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><pre>\n"
    return Reply(HTTPStatus.OK, "\n".join([page, *lines, "</pre></body></html>\n"]).encode(), HTML)


def head(reply: Reply | FileReply, version: str, connection: str | None) -> bytes:
    """The status line and the header fields, up to and with the empty line.

    Args:
        reply: what is to be said.
        version: ``HTTP/1.0`` or ``HTTP/1.1``, as the request had it.
        connection: the Connection field, None where the version's own default holds.
    """
    now = http_date(int(time.time()))
    lines = f"{version} {_STATUS[reply.status]}\r\nDate: {now}\r\nServer: netboot\r\n"
    if reply.content_type is not None:
        lines += f"Content-Type: {reply.content_type}\r\n"
    if reply.status != _NOT_MODIFIED:  # it would be the 200's length, RFC 9110 8.6
        lines += f"Content-Length: {reply.length}\r\n"
    for name, value in reply.fields:
        lines += f"{name}: {value}\r\n"
    if connection is not None:
        lines += f"Connection: {connection}\r\n"
    return f"{lines}\r\n".encode("latin-1")


@lru_cache(maxsize=256)
def http_date(second: int) -> str:
    """A time as RFC 9110 section 5.6.7 writes it; ``second`` counts from the epoch."""
    return formatdate(second, usegmt=True)
