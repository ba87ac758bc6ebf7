"""BMCs over the operator's API; see ``netboot.control.bmc_actions`` for what each does."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response

from netboot.checked import convert
from netboot.control.bmc_actions import MOST_AT_ONCE, Actions
from netboot.control.bmc_shapes import Answer, BootAsked, MediaAsked, PowerAsked
from netboot.control.console_api import add_consoles
from netboot.control.threads import Threads

T = TypeVar("T")

Body = Callable[[Request], Awaitable[object]]
"""Reads a request's JSON."""


def add_bmcs(app: FastAPI, actions: Actions, body: Body, source: str) -> None:
    """Add what is asked of BMCs.

    Args:
        app: before it has routes that take any path below a node.
        actions: does it.
        body: reads a request.
        source: where bad input stands.
    """
    threads = Threads(MOST_AT_ONCE)

    async def done(work: Callable[[], Answer]) -> Response:
        return _json(await threads.run(work))

    _add_reading(app, actions, source, done)
    add_consoles(app, actions.consoles, source)

    @app.post("/api/v1/nodes/{name}/power")
    async def power(name: str, request: Request) -> Response:
        """Change the power; with ``wait``, answered when the machine was heard."""
        asked = convert(await body(request), PowerAsked, source)
        return await done(partial(actions.power, name, asked, _asker(request), source))

    @app.post("/api/v1/nodes/{name}/boot")
    async def boot(name: str, request: Request) -> Response:
        """Set the boot override, and read it back."""
        asked = convert(await body(request), BootAsked, source)
        return await done(partial(actions.boot, name, asked, _asker(request), source))

    @app.post("/api/v1/nodes/{name}/media")
    async def media(name: str, request: Request) -> Response:
        """Insert or eject virtual media."""
        asked = convert(await body(request), MediaAsked, source)
        return await done(partial(actions.media, name, asked, _asker(request), source))

    @app.post("/api/v1/nodes/{name}/inspect")
    async def inspect(name: str, request: Request) -> Response:
        """Read what the machine is, and keep it."""
        return await done(partial(actions.inspect, name, _asker(request), source))


def _add_reading(
    app: FastAPI,
    actions: Actions,
    source: str,
    done: Callable[[Callable[[], Answer]], Awaitable[Response]],
) -> None:
    @app.get("/api/v1/bmcs")
    async def overview() -> Response:
        """Every BMC without its secret, and what is being done."""
        return _json(await asyncio.to_thread(actions.overview))

    @app.get("/api/v1/nodes/{name}/bmc")
    async def known(name: str) -> Response:
        """What is kept of a BMC and its machine; the BMC is not asked."""
        return _json(await asyncio.to_thread(actions.known, name, source))

    @app.get("/api/v1/nodes/{name}/power")
    async def status(name: str, request: Request) -> Response:
        """Ask the BMC for power, boot override and virtual media."""
        return await done(partial(actions.status, name, _asker(request), source))


def _asker(request: Request) -> str:
    return request.client.host if request.client else "somebody"


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
