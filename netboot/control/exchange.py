"""A request's JSON in, an answer's JSON out, and every error as a problem (RFC 9457)."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from netboot.control.access.roles import about
from netboot.control.desk import SOURCE
from netboot.control.problems import MEDIA_TYPE, problem, problem_of
from netboot.errors import ConfigError, NetbootError

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request, as of a nodes file."""
JSON = "application/json"
_METHOD_NOT_ALLOWED = 405


async def body(request: Request, most: int = MAX_BODY) -> object:
    """A request's JSON as plain data.

    Raises:
        ConfigError: it is not JSON.
        HTTPException: it has more than ``most`` bytes.
    """
    raw = await raw_body(request, most)
    try:
        found = msgspec.json.decode(raw)
    except (ValueError, RecursionError) as error:
        raise ConfigError(SOURCE, "", f"is not JSON: {error}") from None
    about(request, found)
    return found


async def raw_body(request: Request, most: int) -> bytes:
    """A request's bytes.

    Raises:
        HTTPException: there are more than ``most``.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            raise HTTPException(413, f"a request has at most {most} bytes")
    return bytes(raw)


def reply(value: object, status: int = 200) -> Response:
    """An answer: whatever msgspec can write."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def add_problems(app: FastAPI) -> None:
    """Answer every error with a problem, our own as well as the framework's."""

    async def ours(_request: Request, error: NetbootError) -> Response:
        return problem_reply(problem_of(error))

    async def http(request: Request, error: HTTPException) -> Response:
        answer = problem_reply(problem(error.status_code, str(error.detail), str(error.detail)))
        answer.headers.update(error.headers or {})
        if error.status_code == _METHOD_NOT_ALLOWED:
            answer.headers["allow"] = ", ".join(sorted(_methods(app, request.scope)))
        return answer

    async def query(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem_reply(problem(422, "Bad input", str(first["msg"]), str(first["loc"][-1])))

    async def unforeseen(_request: Request, _error: Exception) -> Response:
        return problem_reply(problem(500, "Failed", "the control program's log says more"))

    handlers: list[tuple[type[Exception], Callable[..., Awaitable[Response]]]] = [
        (NetbootError, ours),
        (HTTPException, http),
        (RequestValidationError, query),
        (Exception, unforeseen),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def problem_reply(found: dict[str, Any]) -> Response:
    """A problem as an answer."""
    return Response(msgspec.json.encode(found), found["status"], media_type=MEDIA_TYPE)


def _methods(app: FastAPI, scope: Scope) -> set[str]:
    """What a path can be asked (RFC 9110 section 10.2.1): several routes may share it."""
    found: set[str] = set()
    for route in app.routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found
