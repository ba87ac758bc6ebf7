"""Versions of things, so that nobody writes over what he has not seen (RFC 9110 section 13).

A version is a digest of the thing as it is answered. Two people edit one node: each sends back the
version he read (``If-Match``), and the second is told what is there now instead of undoing the
first's work. Without ``If-Match`` the last one wins, as a merge of both.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Header, Request, Response

from netboot.control.desk import Desk
from netboot.control.exchange import JSON
from netboot.control.problems import Stale
from netboot.model import Group, Node
from netboot.store.volume_shapes import VolumeShown

T = TypeVar("T")
Versioned = Node | Group | VolumeShown

_TAGS = r'^\s*(\*|(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*)\s*$'
IfMatch = Annotated[
    str | None,
    Header(
        pattern=_TAGS, description="The version that is to be changed; any other is left alone."
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(description="The version you have: it is not sent again.")
]

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_NOT_MODIFIED = 304


def version_of(thing: object) -> str:
    """The ETag of a node, a group or a volume."""
    return _tag(_written(thing))


def versioned(thing: Versioned, request: Request | None = None, status: int = 200) -> Response:
    """A thing with its version; 304 where ``request`` says that it is known."""
    raw = _written(thing)
    headers = {"ETag": _tag(raw)}
    known = None if request is None else request.headers.get("if-none-match")
    if known is not None and _names(known, headers["ETag"], weak=True):
        return Response(None, _NOT_MODIFIED, headers)
    return Response(raw, status, headers, media_type=JSON)


def unchanged_since(if_match: str | None) -> Callable[[Versioned | None], None]:
    """The store's guard for a write that says which version it is meant for.

    The guard raises ``Stale``, which has the thing as it is now.
    """

    def guard(there: Versioned | None) -> None:
        if if_match is None:
            return
        if there is None:
            raise Stale("it is not there, so it cannot be the version you read")
        tag = version_of(there)
        if not _names(if_match, tag, weak=False):
            now = msgspec.to_builtins(there)
            raise Stale(f"{there.name} was changed since you read it", {"etag": tag, "now": now})

    return guard


async def changed(desk: Desk, kind: str, name: str, change: Callable[[], T]) -> T:
    """Make a change with a guard, in a thread.

    Args:
        desk: knows who wrote what.
        kind: ``nodes``, ``groups`` or ``volumes``.
        name: whose change it is.
        change: makes it.

    Raises:
        Stale: the guard kept the thing as it is; says who wrote it last, where that is known.
    """
    try:
        return await asyncio.to_thread(change)
    except Stale as stale:
        last = await asyncio.to_thread(desk.store.last_write, f"/api/v1/{kind}/{{name}}", name)
        if last is None:
            raise
        raise stale.written_by(last.who, last.time) from None


def _written(thing: object) -> bytes:
    return msgspec.json.encode(thing, order="deterministic")


def _tag(raw: bytes) -> str:
    return f'"{hashlib.sha256(raw).hexdigest()[:32]}"'


def _names(header: str, tag: str, *, weak: bool) -> bool:
    """Whether a list of versions, or ``*``, has this one (RFC 9110 sections 8.8.3.2 and 13.1)."""
    if header.strip() == "*":
        return True
    given: list[Any] = _TAG.findall(header)
    return tag in ([one.removeprefix("W/") for one in given] if weak else given)
