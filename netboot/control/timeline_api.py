"""A machine's timeline over the operator's API."""

import asyncio
import contextlib
import time
from typing import Annotated

from fastapi import FastAPI, Query, Response

from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import reply
from netboot.store.timeline import MAX_ANSWER

LONGEST_WAIT = 30.0
"""Seconds a question for later events is held."""


def add_timeline(app: FastAPI, desk: Desk) -> None:
    """Add timelines."""

    @app.get("/api/v1/timeline/{who:path}")
    async def timeline(
        who: str,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_ANSWER)] = 1000,
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0,
    ) -> Response:
        """Events of a machine; with ``after`` and ``wait`` held until there is one, or seconds."""
        deadline = time.monotonic() + wait
        while True:
            ticket = desk.arrived.ticket()
            records = await asyncio.to_thread(desk.store.timeline, who, after, limit, SOURCE)
            left = deadline - time.monotonic()
            if records or after is None or left <= 0 or desk.leaving:
                return reply({"events": records})
            with contextlib.suppress(TimeoutError):  # then there is one last look
                await asyncio.wait_for(ticket.wait(), left)
