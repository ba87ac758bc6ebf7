"""Every event as it comes: server-sent events (WHATWG HTML section 9.2).

The store is the buffer: a listener is at an event's id and reads on from there, so who comes back
with the last id it saw (``Last-Event-ID``) misses nothing and hears nothing twice, and a slow one
costs no memory. One that takes nothing for ``SLOWEST`` seconds is cut off; it may come back.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated

import msgspec
from fastapi import FastAPI, Header, Query, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import problem_reply
from netboot.control.problems import problem
from netboot.control.spec import spec
from netboot.store.shapes import Record

MAX_LISTENERS = 64
"""Listeners at a time; others are asked to come back."""
HEARTBEAT = 15.0
"""Seconds after which a quiet stream says that it is there, by a comment."""
LOOK = 1.0
"""Seconds until the store is looked at again: other processes write too."""
SLOWEST = 30.0
"""Seconds in which a listener must take what it was sent."""
BATCH = 200
"""Events read at a time."""
RETRY_AFTER = 5
"""Seconds until one who found no room may try again."""
RETRY = 1000
"""Milliseconds until a browser whose stream broke comes back."""
MEDIA_TYPE = "text/event-stream"
_MOST = 2**63 - 1

_After = Annotated[int, Query(ge=0, le=_MOST)]


def add_events(app: FastAPI, desk: Desk) -> None:
    """Add the stream."""
    listeners = asyncio.Semaphore(MAX_LISTENERS)

    @app.get("/api/v1/events", **spec(gives=str, fails=(404,), media=MEDIA_TYPE))
    async def stream_events(
        request: Request,
        after: Annotated[_After | None, Query(description="Begin behind this event.")] = None,
        node: Annotated[str | None, Query(description="A name or a MAC: its events alone.")] = None,
        last_event_id: Annotated[
            int | None,
            Header(ge=0, le=_MOST, description="The same as ``after``, as browsers say it."),
        ] = None,
    ) -> Response:
        """Events of all machines or of one, from now on or behind a known one."""
        begin = after if last_event_id is None else last_event_id
        newest = await asyncio.to_thread(desk.store.newest_event)
        last = newest if begin is None else min(begin, newest)
        if node is not None:  # a name nobody has is told now
            await asyncio.to_thread(desk.store.timeline, node, last, 1, SOURCE)
        return _Stream(_Listener(desk, node, last), listeners, request)


class _Listener:
    """Who listens, and how far it is.

    Args:
        desk: where events are, and what says that some came.
        node: whose; None for all.
        last: the last event that it knows.
    """

    def __init__(self, desk: Desk, node: str | None, last: int) -> None:
        self._desk = desk
        self._node = node
        self._last = last

    async def lines(self) -> AsyncIterator[bytes]:
        """The stream, until we leave."""
        yield f"retry: {RETRY}\n\n".encode()
        said = time.monotonic()
        while not self._desk.leaving:
            ticket = self._desk.arrived.ticket()
            records = await asyncio.to_thread(self._read)
            if records:
                self._last = records[-1].id
                yield b"".join(map(_said, records))
                said = time.monotonic()
                continue
            if time.monotonic() - said >= HEARTBEAT:
                yield b": here\n\n"
                said = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ticket.wait(), LOOK)

    def _read(self) -> Sequence[Record]:
        if self._node is None:
            return self._desk.store.events(self._last, BATCH)
        return self._desk.store.timeline(self._node, self._last, BATCH, SOURCE)


class _Stream(StreamingResponse):
    """A listener's answer; what it does not take in time is not kept for it."""

    def __init__(self, listener: _Listener, listeners: asyncio.Semaphore, request: Request) -> None:
        super().__init__(
            listener.lines(),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type=MEDIA_TYPE,
        )
        self._listeners = listeners
        self._hang_up: Callable[[], None] = getattr(request.state, "hang_up", lambda: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._listeners.locked():
            said = f"{MAX_LISTENERS} listen already"
            answer = problem_reply(problem(503, "Too many listeners", said))
            answer.headers["retry-after"] = str(RETRY_AFTER)
            await answer(scope, receive, send)
            return
        async with self._listeners:
            await super().__call__(scope, receive, partial(self._within, send))

    async def _within(self, send: Send, message: Message) -> None:
        """Send, or cut off who does not take it; that ends the stream as any hang-up does."""
        try:
            async with asyncio.timeout(SLOWEST):
                await send(message)
        except TimeoutError:
            self._hang_up()
            await asyncio.sleep(SLOWEST)


def _said(record: Record) -> bytes:
    event = record.event
    data = {
        "id": record.id,
        "time": event.time,
        "kind": event.kind,
        "mac": event.mac,
        "node": event.node,
        "detail": event.detail,
        "data": event.data,
    }
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        record.id,
        event.kind.value.encode(),
        msgspec.json.encode(data),
    )
