"""Consoles over the operator's API.

GET    /api/v1/nodes/NAME/console[?keep=false][&force=true]
                                                 opens it: one JSON object a line, ``ConsoleSaid``
POST   /api/v1/nodes/NAME/console/ID             types the body's bytes
DELETE /api/v1/nodes/NAME/console/ID             ends it, as hanging up on the GET does
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from netboot.control.access.roles import needs
from netboot.control.consoles import MOST_CONSOLES, Consoles, ConsoleSession
from netboot.control.desk import SOURCE, asker
from netboot.control.exchange import raw_body
from netboot.control.problems import problem_of
from netboot.control.spec import spec
from netboot.control.threads import Threads
from netboot.errors import NetbootError
from netboot.store.access_shapes import Role

MOST_TYPED = 4096
"""Bytes one POST types."""
SIGN_OF_LIFE = 10.0
"""Seconds after which a quiet console says that it is there, by an object without output."""
MEDIA_TYPE = "application/x-ndjson"


class ConsoleSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer.

    Attributes:
        id: of the console, in the first line.
        output: what the machine said; base64 in JSON.
        problem: why the console has ended, in the last line (RFC 9457).
    """

    id: str = ""
    output: bytes = b""
    problem: dict[str, Any] | None = None


def add_consoles(app: FastAPI, consoles: Consoles) -> None:
    """Add the three.

    Args:
        app: before it has routes that take any path below a node.
        consoles: opens them.
    """
    threads = Threads(3 * MOST_CONSOLES)  # each reads, types and closes

    @app.get(
        "/api/v1/nodes/{name}/console",
        **spec(gives=ConsoleSaid, fails=(404, 502), media=MEDIA_TYPE),
    )
    @needs(Role.OPERATE, audited=True)
    async def open_console(
        name: str, request: Request, *, keep: bool = True, force: bool = False
    ) -> Response:
        """Open it, by force from whoever has it. Its output follows until somebody ends it."""
        opening = partial(consoles.open, name, asker(request), SOURCE, keep=keep, force=force)
        return _Output(await threads.run(opening), threads)

    @app.post(
        "/api/v1/nodes/{name}/console/{number}", **spec(takes=bytes, status=204, fails=(404, 502))
    )
    @needs(Role.OPERATE, audited=False)
    async def type_console(name: str, number: str, request: Request) -> Response:
        """Type; answered when the BMC's driver has taken it."""
        typed = await raw_body(request, MOST_TYPED)
        session = consoles.session(name, number, SOURCE)
        await threads.run(partial(session.write, typed))
        return Response(status_code=204)

    @app.delete("/api/v1/nodes/{name}/console/{number}", **spec(status=204, fails=(404, 502)))
    async def close_console(name: str, number: str) -> Response:
        """End it."""
        await threads.run(consoles.session(name, number, SOURCE).close)
        return Response(status_code=204)


class _Output(StreamingResponse):
    """A console's output; the console ends with it, however it ends."""

    def __init__(self, session: ConsoleSession, threads: Threads) -> None:
        self._close = partial(threads.run, session.close)
        super().__init__(_lines(session, threads), media_type=MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            closing = asyncio.ensure_future(self._close())
            with contextlib.suppress(asyncio.CancelledError):  # it is closed all the same
                await asyncio.shield(closing)


async def _lines(session: ConsoleSession, threads: Threads) -> AsyncIterator[bytes]:
    yield _line(ConsoleSaid(id=session.id))
    said = time.monotonic()
    while True:
        try:
            output = await threads.run(session.read)
        except NetbootError as error:
            yield _line(ConsoleSaid(problem=problem_of(error)))
            return
        if output or time.monotonic() - said > SIGN_OF_LIFE:
            said = time.monotonic()
            yield _line(ConsoleSaid(output=output))


def _line(said: ConsoleSaid) -> bytes:
    return msgspec.json.encode(said) + b"\n"
