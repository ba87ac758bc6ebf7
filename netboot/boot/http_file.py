"""A catalogued file → the reply to one request for it: conditions, ranges, the open file.

The same for a springboard, a file with a machine's own script in it: the script's bytes go between
those of the file. Neither has a path but the catalogue's. A file is opened without following a
link, must be a regular file, and must have the size it had when it was verified: what is on the
disk now may otherwise be half of a new version, and a machine would boot it.
"""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import TypeAlias

from netboot.answer.springboard import Patched
from netboot.boot.http_reply import BINARY, Fields, FileReply, Reply, http_date, text
from netboot.boot.ranges import (
    ByteRange,
    failed,
    not_modified,
    parse_range,
    range_counts,
    unsatisfied_range,
)
from netboot.boot.sendfile import Part
from netboot.model import ImageFile

Wanted: TypeAlias = ImageFile | Patched

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not block us


def on_disk(wanted: Wanted) -> ImageFile:
    """The file that is opened for ``wanted``."""
    return wanted.springboard.file if isinstance(wanted, Patched) else wanted


def file_reply(wanted: Wanted, fields: Mapping[str, str], *, is_get: bool) -> Reply | FileReply:
    """Answer a GET or HEAD for ``wanted``.

    Args:
        wanted: what the catalogue says, or a springboard.
        fields: the request's, by name in lower case; those that were sent once.
        is_get: ranges count for GET alone (RFC 9110 section 14.2).

    Returns:
        A ``FileReply``, whose file is open unless the request is HEAD; or a ``Reply``: 304, 412,
        416, or an error of ours, 404 for a file that is away and 500 for one that is not what was
        verified.
    """
    try:
        fd = os.open(on_disk(wanted).path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return text(HTTPStatus.NOT_FOUND, "this file is away; fetch its image again")
    except OSError:
        return text(HTTPStatus.INTERNAL_SERVER_ERROR, "this file cannot be opened")
    keep = False
    try:
        reply = _open_file_reply(fd, wanted, fields, is_get=is_get)
        keep = isinstance(reply, FileReply) and reply.fd == fd
    finally:
        if not keep:
            os.close(fd)
    return reply


def _open_file_reply(
    fd: int, wanted: Wanted, asked: Mapping[str, str], *, is_get: bool
) -> Reply | FileReply:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size != on_disk(wanted).size:
        return text(HTTPStatus.INTERNAL_SERVER_ERROR, "this file is not the one that was verified")
    size, changed = found.st_size, None
    if isinstance(wanted, ImageFile):  # else a machine's script changes without a date of its own
        changed = int(found.st_mtime)
    etag, modified, fields = _validators(wanted.sha256, changed)
    if (reply := _conditional(asked, etag, changed, modified, fields)) is not None:
        return reply
    if not is_get:
        return FileReply(HTTPStatus.OK, None, (), size, BINARY, fields)
    ranges = None
    if range_counts(asked.get("if-range"), etag, modified):
        ranges = parse_range(asked.get("range"), size)
    if ranges is None:
        parts = tuple(_parts(wanted, ByteRange(0, size))) if size else ()
        return FileReply(HTTPStatus.OK, fd, parts, size, BINARY, fields)
    if not ranges:
        fields = (*fields, ("Content-Range", unsatisfied_range(size)))
        return text(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "no such bytes", fields)
    return _partial(fd, wanted, ranges, size, fields)


def _conditional(
    asked: Mapping[str, str], etag: str, changed: int | None, modified: str, fields: Fields
) -> Reply | None:
    """412 or 304, None where the conditions ask for neither."""
    if failed(asked.get("if-match"), asked.get("if-unmodified-since"), etag, changed):
        return text(HTTPStatus.PRECONDITION_FAILED, "this file is another one now", fields)
    since = None if changed is None else asked.get("if-modified-since")
    if not_modified(asked.get("if-none-match"), since, etag, modified):
        return Reply(HTTPStatus.NOT_MODIFIED, b"", None, fields)
    return None


@lru_cache(maxsize=256)
def _validators(sha256: str, changed: int | None) -> tuple[str, str, Fields]:
    """A file's entity-tag, what tells its version in If-Range beside that, and its fields."""
    etag = f'"{sha256}"'
    fields: Fields = (("Accept-Ranges", "bytes"), ("ETag", etag))
    if changed is None:
        return etag, etag, fields
    modified = http_date(changed)
    return etag, modified, (*fields, ("Last-Modified", modified))


def _parts(wanted: Wanted, piece: ByteRange) -> Iterator[Part]:
    if isinstance(wanted, ImageFile):
        yield piece
        return
    for part in wanted.pieces(*piece):
        yield part if isinstance(part, bytes) else ByteRange(part.start, part.stop)


def _partial(
    fd: int, wanted: Wanted, ranges: tuple[ByteRange, ...], size: int, fields: Fields
) -> FileReply:
    if len(ranges) == 1:
        only = ranges[0]
        fields = (*fields, ("Content-Range", only.content_range(size)))
        parts = list(_parts(wanted, only))
        return FileReply(HTTPStatus.PARTIAL_CONTENT, fd, parts, only.size, BINARY, fields)
    boundary = secrets.token_hex(16)
    parts = []
    for piece in ranges:  # RFC 9110 section 14.6
        parts.append(
            f"\r\n--{boundary}\r\nContent-Type: {BINARY}\r\n"
            f"Content-Range: {piece.content_range(size)}\r\n\r\n".encode()
        )
        parts += _parts(wanted, piece)
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    length = sum(part.size if isinstance(part, ByteRange) else len(part) for part in parts)
    kind = f"multipart/byteranges; boundary={boundary}"
    return FileReply(HTTPStatus.PARTIAL_CONTENT, fd, parts, length, kind, fields)
