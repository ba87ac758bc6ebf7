"""BMCs over the operator's API; see ``netboot.control.bmc_actions`` for what each does."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import FastAPI, Request, Response

from netboot.checked import convert
from netboot.control.bmc_actions import MOST_AT_ONCE, Actions
from netboot.control.bmc_shapes import (
    Answer,
    BootAsked,
    IscsiAsked,
    Known,
    MediaAsked,
    Overview,
    PowerAsked,
)
from netboot.control.console_api import add_consoles
from netboot.control.desk import SOURCE, asker
from netboot.control.exchange import body, reply
from netboot.control.spec import spec
from netboot.control.threads import Threads

_FAILS = (404, 502)
Done = Callable[[Callable[[], Answer]], Awaitable[Response]]
"""Does in a thread what blocks, and answers with what it gives."""


def add_bmcs(app: FastAPI, actions: Actions) -> None:
    """Add what is asked of BMCs.

    Args:
        app: before it has routes that take any path below a node.
        actions: does it.
    """
    threads = Threads(MOST_AT_ONCE)

    async def done(work: Callable[[], Answer]) -> Response:
        return reply(await threads.run(work))

    _add_reading(app, actions, done)
    _add_acting(app, actions, done)
    add_consoles(app, actions.consoles)


def _add_acting(app: FastAPI, actions: Actions, done: Done) -> None:
    @app.post(
        "/api/v1/nodes/{name}/power",
        **spec(takes=PowerAsked, gives=Answer, fails=_FAILS, once=True),
    )
    async def change_power(name: str, request: Request) -> Response:
        """Change the power; with ``wait``, answered when the machine was heard."""
        asked = convert(await body(request), PowerAsked, SOURCE)
        return await done(partial(actions.power, name, asked, asker(request), SOURCE))

    @app.post(
        "/api/v1/nodes/{name}/boot",
        **spec(takes=BootAsked, gives=Answer, fails=_FAILS, once=True),
    )
    async def set_boot(name: str, request: Request) -> Response:
        """Set the boot override, and read it back."""
        asked = convert(await body(request), BootAsked, SOURCE)
        return await done(partial(actions.boot, name, asked, asker(request), SOURCE))

    @app.post(
        "/api/v1/nodes/{name}/media",
        **spec(takes=MediaAsked, gives=Answer, fails=_FAILS, once=True),
    )
    async def change_media(name: str, request: Request) -> Response:
        """Insert or eject virtual media."""
        asked = convert(await body(request), MediaAsked, SOURCE)
        return await done(partial(actions.media, name, asked, asker(request), SOURCE))

    @app.post(
        "/api/v1/nodes/{name}/iscsi",
        **spec(takes=IscsiAsked, gives=Answer, fails=_FAILS, once=True),
    )
    async def change_iscsi(name: str, request: Request) -> Response:
        """Have the firmware boot from the node's volume, or from none; and read it back."""
        asked = convert(await body(request), IscsiAsked, SOURCE)
        return await done(partial(actions.iscsi, name, asked, asker(request), SOURCE))

    @app.post(
        "/api/v1/nodes/{name}/inspect",
        **spec(gives=Answer, fails=_FAILS, once=True),
    )
    async def inspect_node(name: str, request: Request) -> Response:
        """Read what the machine is, and keep it."""
        return await done(partial(actions.inspect, name, asker(request), SOURCE))


def _add_reading(app: FastAPI, actions: Actions, done: Done) -> None:
    @app.get("/api/v1/bmcs", **spec(gives=Overview))
    async def list_bmcs() -> Response:
        """Every BMC without its secret, and what is being done."""
        return reply(await asyncio.to_thread(actions.overview))

    @app.get("/api/v1/nodes/{name}/bmc", **spec(gives=Known, fails=(404,)))
    async def get_bmc(name: str) -> Response:
        """What is kept of a BMC and its machine; the BMC is not asked."""
        return reply(await asyncio.to_thread(actions.known, name, SOURCE))

    @app.get("/api/v1/nodes/{name}/power", **spec(gives=Answer, fails=_FAILS))
    async def get_power(name: str, request: Request) -> Response:
        """Ask the BMC for power, boot override and virtual media."""
        return await done(partial(actions.status, name, asker(request), SOURCE))

    @app.get("/api/v1/nodes/{name}/iscsi", **spec(gives=Answer, fails=_FAILS))
    async def get_iscsi(name: str, request: Request) -> Response:
        """Ask the BMC which volume the firmware boots from."""
        return await done(partial(actions.iscsi_status, name, asker(request), SOURCE))
