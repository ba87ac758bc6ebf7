"""The operator's API in this process, with a store of its own: asked without a socket."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from netboot.answer.profiles import load_profiles
from netboot.config import Debian, Server, Settings
from netboot.control.access.roles import Who
from netboot.control.api import operator_app
from netboot.control.bmc_actions import Actions
from netboot.control.desk import Desk
from netboot.control.entries import safe_in
from netboot.control.metrics import Metrics
from netboot.control.news import News, Signal
from netboot.store.access_shapes import Role
from netboot.store.store import Store

N1 = {"name": "n1", "macs": ["52:54:00:00:00:01"], "profile": "debian-12"}


class Api:
    """The application and its store.

    Attributes:
        bare: the application without its doors.
        role: of who asks.
    """

    def __init__(self, store: Store, folder: Path, templates: Sequence[str] = ()) -> None:
        self.store = store
        safe = safe_in(folder)
        actions = Actions(store, safe)
        profiles = partial(load_profiles, ())
        self.settings = Settings(
            server=Server(data_dir=str(folder), templates=tuple(templates)),
            debian=Debian(mirror="http://mirror.test/debian"),
        )
        self.desk = Desk(store, News(store, safe), Signal(), profiles, safe, actions, self.settings)
        self.metrics = Metrics(store, self.desk.planes)
        self.bare = operator_app(self.desk, self.metrics)
        self.hung_up = asyncio.Event()
        self.role = Role.ADMIN

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, as somebody of that role reaches it."""
        who = Who("tester", self.role, "here")
        scope["state"] = {"who": who, "hang_up": self.hung_up.set}
        await self.bare(scope, receive, send)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request and its whole answer; a path without a slash is below ``/api/v1``."""
        return asyncio.run(self._ask(method, path, more))

    async def _ask(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        whole = path if path.startswith("/") else f"/api/v1/{path}"
        async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
            return await client.request(method, whole, **more)


@contextmanager
def api_in(folder: Path, templates: Sequence[str] = ()) -> Iterator[Api]:
    """An API whose data are in ``folder``; ``templates``: folders of an operator's own."""
    with Store(f"sqlite:///{folder}/data/netboot.db") as store:
        yield Api(store, folder / "data", templates)
