"""The facade over HTTP: logins, ETags, methods and errors as DSP0266 wants them."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from netboot.control.access.audited import Ledger
from netboot.control.facade.accounts import Accounts
from netboot.control.facade.service import Resource, Service, needs_login
from netboot.control.threads import Threads
from netboot.errors import NetbootError
from netboot.event_text import harmless
from netboot.redfish.messages import Problem
from netboot.redfish.resources import ODATA, Json, described_by, digest, object_of
from netboot.store.access_shapes import Written

MAX_BODY = 65_536
"""Bytes of a request."""
MOST_AT_ONCE = 256
"""Requests that are worked on at a time; some wait for a BMC."""
REFUSED_PAUSE = 0.5
"""Seconds until a login that failed is answered: passwords cannot be tried out quickly."""

_METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]


def facade_app(
    service: Service, accounts: Accounts, ledger: Ledger, changed: Callable[[], None]
) -> FastAPI:
    """The whole service.

    Args:
        service: what is where.
        accounts: who may.
        ledger: where writes are written down.
        changed: called in the loop when nodes may have changed.
    """
    app = FastAPI(title="netboot Redfish facade", docs_url=None, redoc_url=None, openapi_url=None)
    threads = Threads(MOST_AT_ONCE)

    @app.api_route("/{path:path}", methods=_METHODS)
    async def answer(path: str, request: Request) -> Response:
        try:
            body = await _body(request)
            work = partial(_answer, service, accounts, ledger, f"/{path}", request, body)
            reply = await threads.run(work)
        except Problem as problem:
            if problem.status is HTTPStatus.UNAUTHORIZED:
                await asyncio.sleep(REFUSED_PAUSE)
            return _reply(problem.status, problem.body, problem.headers)
        except NetbootError as error:
            failed = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "GeneralError", str(error))
            return _reply(failed.status, failed.body)
        if request.method not in ("GET", "HEAD"):
            changed()
        return reply

    return app


def _answer(
    service: Service,
    accounts: Accounts,
    ledger: Ledger,
    path: str,
    request: Request,
    body: bytes,
) -> Response:
    """The reply; may block.

    Raises:
        Problem: it is refused.
    """
    method, headers = request.method, request.headers
    if headers.get("odata-version", ODATA) != ODATA:
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "GeneralError", f"OData is {ODATA}.")
    for name in request.query_params:
        if name.startswith("$"):
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, "QueryParameterNotSupported", name)
    user = accounts.user_of(headers) if needs_login(path, method) else ""
    resource = service.at(path, user)
    if method not in resource.allow.split(", "):
        status, allow = HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": resource.allow}
        raise Problem(status, "OperationNotAllowed", headers=allow)
    if method in ("GET", "HEAD"):
        return _read(resource, headers)
    write = partial(_write, resource, method, headers, body)
    return _noted(ledger, user, request, write) if user else write()


def _noted(ledger: Ledger, user: str, request: Request, write: Callable[[], Response]) -> Response:
    """Write, and write down who does and how it went."""
    origin = request.client.host if request.client else ""
    path, number = harmless(request.url.path), secrets.token_hex(8)
    entry = ledger.audit_begun(Written(user, origin, request.method, path, "", number))
    status = HTTPStatus.INTERNAL_SERVER_ERROR.value
    try:
        reply = write()
        status = reply.status_code
    except Problem as problem:
        status = problem.status.value
        raise
    finally:
        ledger.audit_ended(entry, status, "")
    return reply


def _read(resource: Resource, headers: Mapping[str, str]) -> Response:
    more = {"Allow": resource.allow}
    if resource.xml is not None:
        return Response(resource.xml(), headers=more | _common(), media_type="application/xml")
    body = resource.read() if resource.read else {}
    etag = _etag(body)
    if headers.get("if-none-match") == etag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_common() | {"ETag": etag})
    more |= described_by(body)
    if "@odata.id" in body:
        body = body | {"@odata.etag": etag}
    return _reply(HTTPStatus.OK, body, more | {"ETag": etag})


def _write(resource: Resource, method: str, headers: Mapping[str, str], body: bytes) -> Response:
    match = headers.get("if-match", "*")
    if match != "*" and resource.read and method != "POST" and match != _etag(resource.read()):
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
    if method == "DELETE" and resource.delete:
        resource.delete()
    elif method == "PATCH" and resource.patch:
        resource.patch(object_of(body))
    elif resource.post:
        outcome = resource.post(object_of(body or b"{}"))
        return _reply(outcome.status, outcome.body, outcome.headers)
    return _reply(HTTPStatus.NO_CONTENT, None)


def _reply(
    status: HTTPStatus, body: Json | None, headers: Mapping[str, str] | None = None
) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    kind = None if body is None else "application/json"
    return Response(content, status, _common() | dict(headers or {}), kind)


def _common() -> dict[str, str]:
    return {"OData-Version": ODATA, "Cache-Control": "no-store"}


def _etag(body: Json) -> str:
    return f'"{digest(body)}"'


async def _body(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise Problem(status, "GeneralError", f"A request has at most {MAX_BODY} bytes.")
    return bytes(raw)
