"""Who asks, by how they came in: a user of this host, or the bearer of a token.

``PeerDoor`` is for ``control.sock``, whose mode says who may: everybody there may do everything.
``TokenDoor`` is for TCP: a bearer token (RFC 6750), or the cookie of a browser that showed one. A
browser sends its cookie whoever's page makes it ask, so then the page must be ours.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from netboot.control.access.attempts import Attempts
from netboot.control.access.hosts import Hosts
from netboot.control.access.refused import Refused, unauthorized
from netboot.control.access.roles import SAFE_METHODS, Need, Who
from netboot.store.access_shapes import Role, Token
from netboot.store.tokens import PREFIX

SOCKET = "control.sock"
"""The origin of whoever came in there."""
_IN_URL = frozenset({"access_token", "token"})
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class Secrets(Protocol):
    """Whose a secret is; the store's. Both may block."""

    def whose_token(self, secret: str, now: float) -> Token | None:
        """The token with this secret."""

    def whose_login(self, secret: str, now: float) -> Token | None:
        """The token a browser logged in with."""


class PeerDoor:
    """For a UNIX socket whose peers are named by ``netboot.control.peers``."""

    async def who(self, asked: HTTPConnection, need: Need) -> Who | None:  # noqa: ARG002 -- a Door's
        """The user, who may do everything."""
        return Who(origin_of(asked), Role.ADMIN, SOCKET)


class TokenDoor:
    """For TCP.

    Args:
        known: whose tokens are.
        hosts: the names that are ours.
        attempts: counts logins that fail.
        clock: epoch seconds.
    """

    def __init__(
        self,
        known: Secrets,
        hosts: Hosts,
        attempts: Attempts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known = known
        self._hosts = hosts
        self._attempts = attempts
        self._clock = clock

    async def who(self, asked: HTTPConnection, need: Need) -> Who | None:
        """The token's name and role; None where anybody may.

        Raises:
            Refused: 400 a token in the URL, 401 nobody known, 403 a page that is not ours, 421 a
                name that is not ours, 429 too many failures.
        """
        headers, safe = asked.headers, asked.scope["method"] in SAFE_METHODS
        if need.role is None and safe:
            return None
        self._refuse_strange_host(headers)
        _refuse_token_in_url(asked)
        if need.role is None:
            _refuse_other_page(headers)
            return None
        if field := headers.get("authorization"):
            return _who(await self.token_of(_bearer(field), origin_of(asked)), asked)
        if secret := asked.cookies.get(cookie_name(asked)):
            if not safe or headers.get("sec-fetch-site", "none") != "none":
                _refuse_other_page(headers, unsaid=True)
            return _who(await self._logged_in(secret), asked)
        raise unauthorized("needs a token: Authorization: Bearer …; `netboot token add` makes one")

    async def token_of(self, secret: str, origin: str) -> Token:
        """Whose token this is.

        Raises:
            Refused: 401, nobody's; 429, this address showed too many of those.
        """
        if wait := self._attempts.wait(origin):
            detail = f"too many wrong tokens from {origin}; try again in {wait} s"
            raise Refused(429, "Too many requests", detail, {"Retry-After": str(wait)})
        token = await asyncio.to_thread(self._known.whose_token, secret, self._clock())
        if token is None:
            self._attempts.failed(origin)
            raise unauthorized("the token is unknown or has expired", error="invalid_token")
        return token

    async def _logged_in(self, secret: str) -> Token:
        token = await asyncio.to_thread(self._known.whose_login, secret, self._clock())
        if token is None:
            raise unauthorized("this browser is not logged in any longer", error="invalid_token")
        return token

    def _refuse_strange_host(self, headers: Headers) -> None:
        if not self._hosts.ours(headers.get("host", "")):
            detail = "the name in Host is not ours; if it should be, add it to api.hosts"
            raise Refused(421, "Misdirected request", detail)


def cookie_name(asked: HTTPConnection) -> str:
    """The login's cookie; over TLS no other host and no plain connection can have set it."""
    return "__Host-netboot" if asked.url.scheme == "https" else "netboot"


def origin_of(asked: HTTPConnection) -> str:
    """The peer: its address, or its user's name on a UNIX socket."""
    return asked.client.host if asked.client else "somebody"


def _who(token: Token, asked: HTTPConnection) -> Who:
    return Who(token.name, token.role, origin_of(asked))


def _bearer(field: str) -> str:
    scheme, _, secret = field.partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized("Authorization must be: Bearer, then a token")
    return secret.strip()


def _refuse_token_in_url(asked: HTTPConnection) -> None:
    for key, value in asked.query_params.multi_items():
        if key in _IN_URL or _SECRET.search(value):
            detail = "a token stands in the URL, which logs keep; send it as Authorization: Bearer"
            raise Refused(400, "Bad request", f"{detail}. Remove that token, it may be known")


def _refuse_other_page(headers: Headers, *, unsaid: bool = False) -> None:
    """Refuse what another site's page has a browser ask.

    Args:
        headers: Sec-Fetch-Site (W3C Fetch Metadata), else Origin (RFC 6454), says whose page.
        unsaid: refuse also where neither says anything.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        same = site == "same-origin"
    elif (origin := headers.get("origin")) is not None:
        same = origin.partition("://")[2] == headers.get("host")
    else:
        same = not unsaid
    if not same:
        detail = "only a page of ours may ask that with a browser's login"
        raise Refused(403, "Forbidden", detail)
