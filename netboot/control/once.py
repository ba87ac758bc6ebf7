"""Actions that may be asked for again: the same ``Idempotency-Key`` gets the first answer.

A client whose connection broke cannot know whether its POST was served. It asks again with the same
key, and the action is not done twice:

- the same request: the first answer again, with ``Idempotency-Replayed: true``;
- another request with the key: 422;
- while the first is under way, or where a crash cut it off so that nobody knows what came of it:
  409, but for paths whose handlers look at the key themselves.

A request that was refused did nothing, so its key is free again. An answer that says ``no-store``
has a secret in it and is not kept. A key is its asker's own.

A request may hold a password, so the store has a digest of it under the client's key, and of that
key a digest too: with a random key, as clients are to make them, neither can be guessed from it.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Collection

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netboot.control.desk import asker
from netboot.control.exchange import MAX_BODY, problem_reply, raw_body
from netboot.control.problems import problem, problem_of
from netboot.errors import NetbootError
from netboot.store.repeats import Before, Repeats

LONGEST_KEPT = 4 * 1024 * 1024
"""Bytes of an answer that is kept; an import of 50,000 nodes is answered with fewer."""
HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NOTHING_DONE = frozenset({*range(400, 500), 503})
_UNFIT = frozenset({"content-length", "x-request-id"})
"""Headers that belong to one answer only."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it was."""

    status: int
    headers: dict[str, str]
    body: bytes


class OnlyOnce:
    """The application, each of whose POSTs with a key is served once.

    Args:
        app: what serves them.
        store: remembers keys and answers.
        again: paths whose handlers know a key themselves, so that what was cut off may be asked
            again.
    """

    def __init__(self, app: ASGIApp, store: Repeats, again: Collection[str] = ()) -> None:
        self._app = app
        self._store = store
        self._again = again

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        key = request.headers.get(HEADER)
        if key is None or request.state.who is None:  # who logs in is nobody yet
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(request, key)
        except HTTPException as error:
            answer = problem_reply(problem(error.status_code, error.detail, error.detail))
        except NetbootError as error:
            answer = problem_reply(problem_of(error))
        await answer(scope, receive, send)

    async def _answer(self, request: Request, key: str) -> Response:
        if not _KEY.fullmatch(key):
            said = "must be 1 to 255 printable ASCII characters without spaces"
            return problem_reply(problem(422, "Bad input", said, "Idempotency-Key"))
        body = await raw_body(request, MAX_BODY)
        who, digest = asker(request), _digest(key, request, body)
        key = hashlib.sha256(key.encode()).hexdigest()
        before = await asyncio.to_thread(self._store.request_begun, who, key, digest)
        if before is not None and before.request != digest:
            said = "was used for another request"
            return problem_reply(problem(422, "Bad input", said, "Idempotency-Key"))
        if before is None or (before.answer is None and request.url.path in self._again):
            return await self._served(request, who, key, body)
        return _repeated(before)

    async def _served(self, request: Request, who: str, key: str, body: bytes) -> Response:
        kept = await _collected(self._app, request.scope, body)
        if kept.status in _NOTHING_DONE or "no-store" in kept.headers.get("cache-control", ""):
            await asyncio.to_thread(self._store.request_forgotten, who, key)
        elif len(kept.body) <= LONGEST_KEPT:
            raw = msgspec.msgpack.encode(kept)
            await asyncio.to_thread(self._store.request_ended, who, key, kept.status, raw)
        return Response(kept.body, kept.status, kept.headers)


def _repeated(before: Before) -> Response:
    """The first's answer again."""
    if before.answer is None:
        said = "the first request with this key is under way, or was cut off: look what came of it"
        return problem_reply(problem(409, "Conflict", said, "Idempotency-Key"))
    kept = msgspec.msgpack.decode(before.answer, type=_Kept)
    return Response(kept.body, kept.status, kept.headers | {"Idempotency-Replayed": "true"})


async def _collected(app: ASGIApp, scope: Scope, body: bytes) -> _Kept:
    """What the application answers, whole."""
    start: Message = {"status": 500, "headers": []}
    found = bytearray()
    heard = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(heard, None) or {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
        else:
            found.extend(message.get("body", b""))

    await app(scope, receive, send)
    headers = {k: v for k, v in MutableHeaders(scope=start).items() if k not in _UNFIT}
    return _Kept(start["status"], headers, bytes(found))


def _digest(key: str, request: Request, body: bytes) -> bytes:
    what = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hmac.digest(key.encode(), what + body, "sha256")
