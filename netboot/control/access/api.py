"""Tokens, the audit log and browsers' logins over HTTP.

GET    /api/v1/tokens          names and roles; no secret
POST   /api/v1/tokens          a new one: its secret is in the answer, and nowhere else
DELETE /api/v1/tokens/NAME
GET    /api/v1/audit           what was written, the newest first
POST   /api/v1/session         a browser shows a token and is given a cookie
GET    /api/v1/session         who asks
DELETE /api/v1/session         logs the browser out
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from netboot.checked import convert
from netboot.control.access.doors import TokenDoor, cookie_name, origin_of
from netboot.control.access.refused import Refused
from netboot.control.access.roles import asker, needs
from netboot.control.access.shapes import (
    MOST_ENTRIES,
    USUAL_ENTRIES,
    AuditPage,
    Login,
    Shown,
    TokenList,
)
from netboot.control.desk import SOURCE
from netboot.control.exchange import body, reply
from netboot.control.pages import link
from netboot.control.spec import LINK, spec
from netboot.store.access_shapes import NewToken, Role, Token, TokenEntry, Written
from netboot.store.store import Store

MAX_BODY = 4_096
"""Bytes of a request here."""
_SESSION = "/api/v1/session"
_SECRET = {"Cache-Control": "no-store"}


def add_access(
    app: FastAPI, store: Store, door: TokenDoor, clock: Callable[[], float] = time.time
) -> None:
    """Add all of it.

    Args:
        app: the operator's.
        store: tokens and audit log.
        door: says whose a token is that a browser shows.
        clock: epoch seconds.
    """
    _add_tokens(app, store, clock)
    _add_audit(app, store)
    _add_login(app, store, door, clock)
    _add_session(app, store)


def _add_tokens(app: FastAPI, store: Store, clock: Callable[[], float]) -> None:
    @app.get("/api/v1/tokens", **spec(gives=TokenList))
    @needs(Role.ADMIN)
    async def list_tokens() -> Response:
        """Every token, without its secret."""
        return reply(TokenList(tuple(await asyncio.to_thread(store.tokens))))

    @app.post("/api/v1/tokens", **spec(takes=TokenEntry, gives=NewToken, status=201, fails=(409,)))
    @needs(Role.ADMIN)
    async def add_token(request: Request) -> Response:
        """Make a token; the answer has its secret."""
        entry = convert(await body(request, MAX_BODY), TokenEntry, SOURCE)
        made = await asyncio.to_thread(store.add_token, entry, clock(), SOURCE)
        answer = reply(made, 201)
        answer.headers.update(_SECRET)
        return answer

    @app.delete("/api/v1/tokens/{name}", **spec(status=204, fails=(404,)))
    @needs(Role.ADMIN)
    async def remove_token(name: str) -> Response:
        """Forget a token; whoever has it is refused from now on."""
        await asyncio.to_thread(store.remove_token, name, SOURCE)
        return Response(status_code=204)


def _add_audit(app: FastAPI, store: Store) -> None:
    @app.get("/api/v1/audit", **spec(gives=AuditPage, headers=LINK))
    @needs(Role.ADMIN)
    async def list_audit(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = USUAL_ENTRIES,
        after: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> Response:
        """What was written, the newest first."""
        found = await asyncio.to_thread(store.audit, limit + 1, after)
        if len(found) <= limit:
            return reply(AuditPage(tuple(found)))
        last = found[limit - 1].id
        answer = reply(AuditPage(tuple(found[:limit]), last))
        answer.headers["link"] = link(request, last)
        return answer


def _add_login(app: FastAPI, store: Store, door: TokenDoor, clock: Callable[[], float]) -> None:
    @app.post(_SESSION, **spec(takes=Shown, gives=Login, status=201, fails=(429,)))
    @needs(None, audited=False)  # who logs in is not known before
    async def log_in(request: Request) -> Response:
        """Log a browser in with a token."""
        shown = convert(await body(request, MAX_BODY), Shown, SOURCE)
        try:
            token = await door.token_of(shown.token, origin_of(request))
        except Refused as refused:
            return refused.response
        now = clock()
        secret, ends = await asyncio.to_thread(_logged_in, store, token, request, now)
        answer = reply(Login(token.name, token.role, ends), 201)
        answer.headers.update(_SECRET)
        answer.set_cookie(
            cookie_name(request),
            secret,
            max_age=int(ends - now),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer


def _add_session(app: FastAPI, store: Store) -> None:
    @app.get(_SESSION, **spec(gives=Login))
    async def session(request: Request) -> Response:
        """Who asks."""
        found = asker(request)
        return reply(Login(found.name, found.role))

    @app.delete(_SESSION, **spec(status=204))
    @needs(Role.READ)
    async def log_out(request: Request) -> Response:
        """Log the browser out."""
        name = cookie_name(request)
        if secret := request.cookies.get(name):
            await asyncio.to_thread(store.log_out, secret)
        answer = Response(status_code=204)
        secure = request.url.scheme == "https"
        answer.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
        return answer


def _logged_in(store: Store, token: Token, request: Request, now: float) -> tuple[str, float]:
    """Log in, and write down who did, whom the guard could not know."""
    written = Written(
        token.name, origin_of(request), "POST", _SESSION, "", request.state.request_id
    )
    entry = store.audit_begun(written)
    login = store.log_in(token, now)
    store.audit_ended(entry, 201, "")
    return login
