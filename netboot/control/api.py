"""The control plane over HTTP: nodes, groups and timelines for the operator's tools.

``operator_app`` is served on ``control.sock`` only, whose mode says who may. ``public_app`` is
what the TCP address serves: whether we live, and metrics without a name or an address.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from netboot.checked import convert
from netboot.control.bmc_actions import Actions
from netboot.control.bmc_api import add_bmcs
from netboot.control.entries import add, import_all, update
from netboot.control.metrics import Metrics
from netboot.control.news import News, Signal
from netboot.control.problems import MEDIA_TYPE, problem, problem_of
from netboot.errors import ConfigError, NetbootError
from netboot.model import Profile
from netboot.policy import installing
from netboot.store.bmc_shapes import Sealing
from netboot.store.group_shapes import group_change_of, unknown_group
from netboot.store.shapes import Install
from netboot.store.store import Store
from netboot.store.timeline import MAX_ANSWER

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request, as of a nodes file."""
LONGEST_WAIT = 30.0
"""Seconds a question for later events is held."""
SOURCE = "request"


@dataclass(slots=True)
class Desk:
    """What the handlers work with.

    Attributes:
        store: the nodes and timelines.
        news: told of every change.
        arrived: fires when events were kept, and when we leave.
        profiles: reads the profiles there are now; slow enough for a thread.
        safe: seals BMC passwords.
        actions: acts on BMCs.
        leaving: we are stopping, so nobody is kept waiting.
    """

    store: Store
    news: News
    arrived: Signal
    profiles: Callable[[], Mapping[str, Profile]]
    safe: Sealing
    actions: Actions
    leaving: bool = False


def public_app(metrics: Metrics) -> FastAPI:
    """``GET /healthz`` and ``GET /metrics``, and nothing else."""
    app = FastAPI(title="netboot", docs_url=None, redoc_url=None, openapi_url=None)
    _add_health(app)
    _add_metrics(app, metrics)
    _add_problems(app)
    return app


def operator_app(desk: Desk, metrics: Metrics) -> FastAPI:
    """Everything an operator may do."""
    app = FastAPI(title="netboot", docs_url=None, redoc_url=None)
    _add_health(app)
    _add_metrics(app, metrics)
    _add_problems(app)
    add_bmcs(app, desk.actions, _body, SOURCE)  # before paths that take all below a node
    _add_nodes(app, desk)
    _add_changes(app, desk)
    _add_installs(app, desk)
    _add_groups(app, desk)
    _add_timeline(app, desk)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics")
    async def scrape() -> Response:
        """Prometheus text."""
        return Response(await asyncio.to_thread(metrics.text), media_type=metrics.MEDIA_TYPE)


def _add_nodes(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/nodes")
    async def list_nodes(label: Annotated[list[str] | None, Query()] = None) -> Response:
        wanted = dict(_pair(text) for text in label or [])
        nodes = await asyncio.to_thread(desk.store.list)
        return _json({"nodes": [n for n in nodes if wanted.items() <= n.labels.items()]})

    @app.get("/api/v1/nodes/{name:path}")
    async def get_node(name: str) -> Response:
        return _json(await asyncio.to_thread(desk.store.get, name, SOURCE))

    @app.post("/api/v1/nodes")
    async def add_node(request: Request) -> Response:
        raw, profiles = await _body(request), await asyncio.to_thread(desk.profiles)
        node = await asyncio.to_thread(add, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return _json(node, 201)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.patch("/api/v1/nodes/{name:path}")
    async def change_node(name: str, request: Request) -> Response:
        raw, profiles = await _body(request), await asyncio.to_thread(desk.profiles)
        node = await asyncio.to_thread(update, desk.store, name, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return _json(node)

    @app.delete("/api/v1/nodes/{name:path}")
    async def remove_node(name: str) -> Response:
        await asyncio.to_thread(desk.store.remove, name, SOURCE)
        desk.news.changed()
        return Response(status_code=204)

    @app.post("/api/v1/nodes:import")
    async def import_nodes(request: Request) -> Response:
        raw, profiles = await _body(request), await asyncio.to_thread(desk.profiles)
        imported = await asyncio.to_thread(import_all, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return _json(imported)


def _add_installs(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/v1/nodes:install")
    async def install(request: Request) -> Response:
        asked = convert(await _body(request), Install, SOURCE)
        profiles = await asyncio.to_thread(desk.profiles)
        nodes = await asyncio.to_thread(
            desk.store.install,
            asked.names,
            installing(profiles),
            SOURCE,
            reinstall=asked.reinstall,
        )
        desk.news.changed()
        return _json({"nodes": nodes})


def _add_groups(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/groups")
    async def list_groups() -> Response:
        return _json({"groups": await asyncio.to_thread(desk.store.groups)})

    @app.get("/api/v1/groups/{name:path}")
    async def get_group(name: str) -> Response:
        for group in await asyncio.to_thread(desk.store.groups):
            if group.name == name:
                return _json(group)
        raise unknown_group(name, SOURCE)

    @app.patch("/api/v1/groups/{name:path}")
    async def set_group(name: str, request: Request) -> Response:
        """Change a group; one that is not there begins with nothing."""
        raw, profiles = await _body(request), await asyncio.to_thread(desk.profiles)
        change = group_change_of(raw, SOURCE, profiles)
        group = await asyncio.to_thread(desk.store.set_group, name, change, SOURCE)
        desk.news.changed()
        return _json(group)

    @app.delete("/api/v1/groups/{name:path}")
    async def remove_group(name: str) -> Response:
        await asyncio.to_thread(desk.store.remove_group, name, SOURCE)
        desk.news.changed()
        return Response(status_code=204)


def _add_timeline(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/timeline/{who:path}")
    async def timeline(
        who: str,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_ANSWER)] = 1000,
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0,
    ) -> Response:
        """Events of a machine; with ``after`` and ``wait`` held until there is one, or seconds."""
        deadline = time.monotonic() + wait
        while True:
            ticket = desk.arrived.ticket()
            records = await asyncio.to_thread(desk.store.timeline, who, after, limit, SOURCE)
            left = deadline - time.monotonic()
            if records or after is None or left <= 0 or desk.leaving:
                return _json({"events": records})
            with contextlib.suppress(TimeoutError):  # then there is one last look
                await asyncio.wait_for(ticket.wait(), left)


def _add_problems(app: FastAPI) -> None:
    async def ours(_request: Request, error: NetbootError) -> Response:
        return _problem(problem_of(error))

    async def http(_request: Request, error: HTTPException) -> Response:
        return _problem(problem(error.status_code, str(error.detail), str(error.detail)))

    async def query(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _problem(problem(422, "Bad input", str(first["msg"]), str(first["loc"][-1])))

    handlers: list[tuple[type[Exception], Callable[..., Awaitable[Response]]]] = [
        (NetbootError, ours),
        (HTTPException, http),
        (RequestValidationError, query),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


async def _body(request: Request) -> object:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise HTTPException(413, f"a request has at most {MAX_BODY} bytes")
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError) as error:
        raise ConfigError(SOURCE, "", f"is not JSON: {error}") from None


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _json(value: Any, status: int = 200) -> Response:  # noqa: ANN401 -- whatever msgspec can write
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _problem(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), body["status"], media_type=MEDIA_TYPE)
