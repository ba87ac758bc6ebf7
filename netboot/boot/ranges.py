"""Which bytes of a file a request asks for: RFC 9110 sections 13 (conditions) and 14 (ranges).

Pure functions over header text. The rules, in the order RFC 9110 section 13.2.2 gives them:

1. ``If-Match`` that does not name our entity-tag, or without that field ``If-Unmodified-Since``
   before our date: 412.
2. ``If-None-Match`` that names our entity-tag, or without that field ``If-Modified-Since`` equal
   to our date: 304.
3. ``Range`` counts only where ``If-Range`` is absent or names exactly what we would send.
4. ``Range`` that breaks the grammar is *ignored*: the answer is the whole file. So are a unit
   other than bytes, more than ``MAX_RANGES`` ranges, and any range of an empty file: a server may
   ignore what it does not like, and firmware copes better with 200 than with an error.
5. ``Range`` that follows the grammar and lies wholly beyond the end: 416.

Overlapping ranges are joined before anything is sent, so that no request is answered with more
bytes than the file has.
"""

import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple

MAX_RANGES = 16
"""Ranges one request may name; a BMC asks for one, and a hundred tiny ones are an attack."""

_MAX_DIGITS = 20
"""Digits of a position that are read; 2**64 has twenty, a file never reaches it."""
_ONE = re.compile(rf"bytes=([0-9]{{1,{_MAX_DIGITS}}})-([0-9]{{1,{_MAX_DIGITS}}})")
_SPEC = re.compile(rf"([0-9]{{0,{_MAX_DIGITS}}})-([0-9]{{0,{_MAX_DIGITS}}})")
_ETAG = re.compile(r'"[^"]*"')
_STRONG = re.compile(r'(?<!W/)"[^"]*"')
_OWS = " \t"


class ByteRange(NamedTuple):
    """Bytes ``start`` up to, but without, ``stop``; never empty."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes it is."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """The Content-Range of this part of ``size`` bytes (section 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def unsatisfied_range(size: int) -> str:
    """The Content-Range of a 416 (section 14.4)."""
    return f"bytes */{size}"


def parse_range(header: str | None, size: int) -> tuple[ByteRange, ...] | None:
    """Read a ``Range`` field (section 14.2).

    Args:
        header: the field's value, None where there is none.
        size: bytes of the file.

    Returns:
        What to send, overlaps joined and otherwise in the order asked; ``()`` where no byte of
        it exists (answer 416); None where the field does not count (answer 200, the whole file).
    """
    if header is None or size == 0:
        return None
    one = _ONE.fullmatch(header)
    if one is None:
        return _parse_list(header, size)
    first, last = int(one[1]), int(one[2])  # nearly always; what _parse_list makes of it, too
    if last < first:
        return None
    return (ByteRange(first, min(last + 1, size)),) if first < size else ()


def _parse_list(header: str, size: int) -> tuple[ByteRange, ...] | None:
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip(_OWS).lower() != "bytes":
        return None
    given = [spec.strip(_OWS) for spec in specs.split(",", maxsplit=2 * MAX_RANGES)]
    named = [spec for spec in given if spec]  # empty list elements count for nothing, 5.6.1.2
    if not named or len(named) > MAX_RANGES:
        return None
    wanted: list[ByteRange] = []
    for spec in named:
        matched = _SPEC.fullmatch(spec)
        resolved = _resolve(matched[1], matched[2], size) if matched else None
        if resolved is None:
            return None
        if resolved.size > 0:
            wanted.append(resolved)
    return _joined(wanted)


def _resolve(first: str, last: str, size: int) -> ByteRange | None:
    """One range-spec against ``size``; empty where it lies beyond the end, None where invalid."""
    if not first:
        return ByteRange(max(size - int(last), 0), size) if last else None
    if not last:
        return ByteRange(min(int(first), size), size)
    if int(last) < int(first):
        return None
    return ByteRange(min(int(first), size), min(int(last) + 1, size))


def _joined(ranges: list[ByteRange]) -> tuple[ByteRange, ...]:
    """The same bytes, each once; the order asked is kept where nothing overlaps (15.3.7.2)."""
    merged: list[ByteRange] = []
    for piece in sorted(ranges):
        if merged and piece.start < merged[-1].stop:
            merged[-1] = ByteRange(merged[-1].start, max(merged[-1].stop, piece.stop))
        else:
            merged.append(piece)
    return tuple(ranges if len(merged) == len(ranges) else merged)


def range_counts(if_range: str | None, etag: str, modified: str) -> bool:
    """Whether ``Range`` is to be obeyed (``If-Range``, section 13.1.5).

    Args:
        if_range: the field's value, None where there is none.
        etag: our strong entity-tag with its quotes.
        modified: our Last-Modified as it is sent.
    """
    return if_range is None or if_range.strip(_OWS) in {etag, modified}


def failed(if_match: str | None, since: str | None, etag: str, changed: int | None) -> bool:
    """Whether ``If-Match``, else ``If-Unmodified-Since``, asks for 412 (13.1.1 and 13.1.4).

    Args:
        if_match: the field's value, None where there is none.
        since: likewise; what is no date does not count.
        etag: our strong entity-tag with its quotes; compared strongly (8.8.3.2).
        changed: epoch seconds of our Last-Modified, None where none is sent.
    """
    if if_match is not None:
        return if_match.strip(_OWS) != "*" and etag not in _STRONG.findall(if_match)
    if since is None or changed is None:
        return False
    try:
        return parsedate_to_datetime(since).timestamp() < changed
    except (ValueError, OverflowError):
        return False


def not_modified(if_none_match: str | None, since: str | None, etag: str, modified: str) -> bool:
    """Whether ``If-None-Match``, else ``If-Modified-Since``, asks for 304 (13.1.2 and 13.1.3).

    Entity-tags are compared weakly (8.8.3.2). A date counts only where it is exactly the one we
    gave: a later one could be the clock of a machine that has none.

    Args:
        if_none_match: the field's value, None where there is none.
        since: likewise.
        etag: our strong entity-tag with its quotes.
        modified: our Last-Modified as it is sent.
    """
    if if_none_match is not None:
        return if_none_match.strip(_OWS) == "*" or etag in _ETAG.findall(if_none_match)
    return since is not None and since.strip(_OWS) == modified
