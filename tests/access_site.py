"""The control plane's application behind its doors, in this process, before a store of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from netboot.config import Settings
from netboot.control.access.api import add_access
from netboot.control.access.attempts import Attempts
from netboot.control.access.doors import PeerDoor, TokenDoor
from netboot.control.access.guard import Door, Guard
from netboot.control.access.hosts import Hosts
from netboot.store import schema
from netboot.store.access_shapes import Role, TokenEntry
from netboot.store.database import transaction
from netboot.store.store import Store
from tests.api_site import Api

LISTEN = "192.0.2.1:8443"
ELSEWHERE = "198.51.100.7"
NOON = 1_000_000.0


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Site:
    """A store with a token of each role, and the operator's application.

    Attributes:
        tokens: secrets by role.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.clock = Clock()
        self.store = Store(f"sqlite:///{self.folder / 'netboot.db'}")
        self.attempts = Attempts(self.clock)
        hosts = Hosts(LISTEN, ["netboot.example"])
        self.door = TokenDoor(self.store, hosts, self.attempts, self.clock)
        self.app: FastAPI = Api(self.store, self.folder).bare
        add_access(self.app, self.store, self.door, self.clock)
        self.begin()

    def begin(self) -> None:
        """Forget everything but a token of each role."""
        self.clock.now = NOON
        self.attempts._failures.clear()
        with transaction(self.store._sure, writes=True) as connection:
            for table in (schema.login, schema.token, schema.audit):
                connection.execute(table.delete())
        self.tokens = {role: self.add_token(role.value, role) for role in Role}

    def add_token(self, name: str, role: Role, days: int | None = None) -> str:
        entry = TokenEntry(name=name, role=role, expires_days=days)
        return self.store.add_token(entry, self.clock.now).secret

    def client(
        self,
        token: str | None = None,
        *,
        app: ASGIApp | None = None,
        door: Door | None = None,
        scheme: str = "http",
        peer: str = ELSEWHERE,
        **more: Any,
    ) -> httpx.Client:
        """Somebody who asks over TCP, or at ``door``; ``app`` instead of the application."""
        guard = Guard(app or self.app, self.app.routes, door or self.door, self.store, **more)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{scheme}://{LISTEN}"
        return httpx.Client(transport=InProcess(guard, peer), base_url=url, headers=headers)

    def peer(self, user: str = "alice", **more: Any) -> httpx.Client:
        """A user of this host."""
        return self.client(door=PeerDoor(), peer=user, **more)


class InProcess(httpx.BaseTransport):
    """A request straight to an application."""

    def __init__(self, app: ASGIApp, peer: str) -> None:
        self._asgi = httpx.ASGITransport(app, client=(peer, 4711))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            found = await self._asgi.handle_async_request(request)
            content = await found.aread()
            return httpx.Response(found.status_code, headers=found.headers, content=content)

        return asyncio.run(answer())


async def done(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that does whatever it is asked."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextmanager
def site_in(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    try:
        yield site
    finally:
        site.store.close()


def settings_with(folder: Path, **api: Any) -> Settings:
    """A configuration with this ``[api]``."""
    return msgspec.convert({"server": {"data_dir": str(folder)}, "api": api}, Settings)
