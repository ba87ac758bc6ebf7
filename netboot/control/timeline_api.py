"""Timelines over the operator's API: one machine's, and many at once."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import reply
from netboot.control.page_shapes import EventPage, TimelinesPage
from netboot.control.pages import After, link
from netboot.control.spec import LINK, spec
from netboot.store.shapes import Record
from netboot.store.timeline import MAX_ANSWER

LONGEST_WAIT = 30.0
"""Seconds a question for later events is held."""
MAX_TIMELINES = 100
"""Nodes whose events are in one answer."""
MAX_EACH = MAX_ANSWER // MAX_TIMELINES
"""Events of each of them."""


def add_timeline(app: FastAPI, desk: Desk) -> None:
    """Add timelines."""
    _add_many(app, desk)

    @app.get("/api/v1/timeline/{who:path}", **spec(gives=EventPage, fails=(404,), headers=LINK))
    async def timeline(
        who: str,
        request: Request,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_ANSWER)] = 1000,
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0,
        log: Annotated[bool, Query()] = False,  # noqa: FBT002 -- FastAPI's signature
    ) -> Response:
        """Events of a machine by its name or MAC: the newest, or those after one, oldest first.

        With ``after`` and ``wait`` held until there is one, or seconds. Of installers' logs those
        lines that warn or tell of a stage; with ``log`` every one.
        """
        deadline = time.monotonic() + wait
        while True:
            ticket = desk.arrived.ticket()
            found = partial(desk.store.timeline, who, after, limit, SOURCE, log=log)
            records = await asyncio.to_thread(found)
            left = deadline - time.monotonic()
            if records or after is None or left <= 0 or desk.leaving:
                return _answer(request, records, limit if after is not None else None)
            with contextlib.suppress(TimeoutError):  # then there is one last look
                await asyncio.wait_for(ticket.wait(), left)


def _add_many(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/timelines", **spec(gives=TimelinesPage, headers=LINK))
    async def list_timelines(
        request: Request,
        after: After = "",
        limit: Annotated[int, Query(ge=1, le=MAX_TIMELINES)] = MAX_TIMELINES,
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        each: Annotated[int, Query(ge=1, le=MAX_EACH)] = MAX_EACH,
    ) -> Response:
        """The newest events of many nodes by name; who has none behind ``since`` is left out.

        Ask again with the ``newest`` of the first page as ``since`` for what came meanwhile.
        """
        read = partial(desk.store.timelines, after, limit + 1, since, each)
        found, newest = await asyncio.to_thread(read)
        names = list(found)
        last = names[limit - 1] if len(names) > limit else None
        shown = {name: tuple(found[name]) for name in names[:limit] if found[name]}
        answer = reply(TimelinesPage(shown, newest, last))
        if last is not None:
            answer.headers["link"] = link(request, last)
        return answer


def _answer(request: Request, records: Sequence[Record], limit: int | None) -> Response:
    """A page of events; there may be a next one where it is as long as ``limit``."""
    after = records[-1].id if limit is not None and len(records) >= limit else None
    answer = reply(EventPage(tuple(records), after))
    if after is not None:
        answer.headers["link"] = link(request, after)
    return answer
