"""One ASGI middleware before all that the control plane serves: who asks, may they, write it down.

It needs of the application only its list of routes, and puts ``who`` and ``request_id`` into the
request's state; ``about`` puts ``target`` there. What no route is at needs *read* too, so that a
stranger learns nothing of what there is.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Protocol

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netboot.control.access.audited import Ledger
from netboot.control.access.refused import Refused, failed, forbidden
from netboot.control.access.roles import Need, Who, need_of
from netboot.errors import NetbootError
from netboot.event_text import harmless
from netboot.store.access_shapes import MAX_TARGET, Role, Written

LOOK_AGAIN = 30.0
"""Seconds after which a stream's asker must still be known: a token may be removed meanwhile."""

log = logging.getLogger(__name__)


class Door(Protocol):
    """Says who asks, by how they came in."""

    async def who(self, asked: HTTPConnection, need: Need) -> Who | None:
        """Who asks; None for anybody, where nobody in particular is needed.

        Raises:
            Refused: it cannot be told, or the request is not to be had at all.
            NetbootError: the store could not say.
        """


class _Asked(NamedTuple):
    """A request's route: its path's template, and what is in the path."""

    need: Need
    template: str = ""
    params: Mapping[str, object] = {}


class Guard:
    """The application, for those who may.

    Args:
        app: what is guarded.
        routes: its routes; those that are added later count too.
        door: who asks.
        ledger: where writes are kept.
        instead: roles that paths need instead of what their routes say.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[BaseRoute],
        door: Door,
        ledger: Ledger,
        instead: Mapping[str, Role] | None = None,
    ) -> None:
        for route in routes:
            need_of(route, "GET")  # one that cannot say is found before anybody asks
        self._app = app
        self._routes = routes
        self._door = door
        self._ledger = ledger
        self._instead = instead or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request, answer = secrets.token_hex(8), self._app
        scope["state"] = dict(scope.get("state") or {}) | {"request_id": request}
        send = _numbered(send, request)
        try:
            asked = self._asked(scope)
            who = scope["state"]["who"] = await self._door.who(HTTPConnection(scope), asked.need)
            if who is not None and asked.need.audited:
                send = await self._audited(scope, asked, who, send)
            if who is not None and asked.need.role is not None:
                _refuse_lesser(who, asked.need.role)
                send = self._looking_again(scope, asked, send)
        except Refused as refused:
            answer = refused.response
        except NetbootError as error:
            answer = failed(error).response
        await answer(scope, receive, send)

    def _asked(self, scope: Scope) -> _Asked:
        method, path = scope["method"], scope["path"]
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL and isinstance(route, Route):
                need = need_of(route, method)
                if role := self._instead.get(path):
                    need = Need(role, audited=need.audited)
                return _Asked(need, route.path_format, found["path_params"])
        return _Asked(Need(Role.READ, audited=False))

    def _looking_again(self, scope: Scope, asked: _Asked, send: Send) -> Send:
        """Hang up on a stream whose asker is not known any longer: an answer may go on for days."""
        looked = time.monotonic()

        async def sent(message: Message) -> None:
            nonlocal looked
            if message.get("more_body") and time.monotonic() - looked >= LOOK_AGAIN:
                looked = time.monotonic()
                try:
                    await self._door.who(HTTPConnection(scope), asked.need)
                except Refused as refused:
                    if refused.response.status_code == HTTPStatus.UNAUTHORIZED:
                        scope["state"]["hang_up"]()
                        return
                except NetbootError as error:  # the next look will tell
                    log.warning("who still listens cannot be told: %s", error)
            await send(message)

        return sent

    async def _audited(self, scope: Scope, asked: _Asked, who: Who, send: Send) -> Send:
        """Write down what is about to be done, and with the answer how it went."""
        state = scope["state"]
        target = _told(" ".join(str(value) for value in asked.params.values()))
        written = Written(
            who.name, who.origin, scope["method"], asked.template, target, state["request_id"]
        )
        number = await asyncio.to_thread(self._ledger.audit_begun, written)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                about = target or _told(state.get("target", ""))
                try:
                    await asyncio.to_thread(
                        self._ledger.audit_ended, number, message["status"], about
                    )
                except NetbootError as error:  # it is done, and in the log as begun
                    log.warning("audit log: %s", error)
            await send(message)

        return sent


def _refuse_lesser(who: Who, needed: Role) -> None:
    if not who.role.covers(needed):
        raise forbidden(who.role, needed)


def _numbered(send: Send, request: str) -> Send:
    """Tell the asker the request's number, by which the audit log knows it too."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Request-Id"] = request
        await send(message)

    return sent


def _told(text: str) -> str:
    return harmless(text, MAX_TARGET)[:MAX_TARGET]
