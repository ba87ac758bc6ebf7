"""Nodes over the operator's API."""

import asyncio
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from netboot.checked import convert
from netboot.control.desk import SOURCE, Desk
from netboot.control.entries import add, import_all, update
from netboot.control.exchange import body, reply
from netboot.policy import installing
from netboot.store.shapes import Install


def add_nodes(app: FastAPI, desk: Desk) -> None:
    """Add nodes; after every path below a node, for a node's path takes all of them."""
    _add_reading(app, desk)
    _add_changes(app, desk)
    _add_many(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/nodes")
    async def list_nodes(label: Annotated[list[str] | None, Query()] = None) -> Response:
        wanted = dict(_pair(text) for text in label or [])
        nodes = await asyncio.to_thread(desk.store.list)
        return reply({"nodes": [n for n in nodes if wanted.items() <= n.labels.items()]})

    @app.get("/api/v1/nodes/{name:path}")
    async def get_node(name: str) -> Response:
        return reply(await asyncio.to_thread(desk.store.get, name, SOURCE))


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/v1/nodes")
    async def add_node(request: Request) -> Response:
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        node = await asyncio.to_thread(add, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return reply(node, 201)

    @app.patch("/api/v1/nodes/{name:path}")
    async def change_node(name: str, request: Request) -> Response:
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        node = await asyncio.to_thread(update, desk.store, name, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return reply(node)

    @app.delete("/api/v1/nodes/{name:path}")
    async def remove_node(name: str) -> Response:
        await asyncio.to_thread(desk.store.remove, name, SOURCE)
        desk.news.changed()
        return Response(status_code=204)


def _add_many(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/v1/nodes:import")
    async def import_nodes(request: Request) -> Response:
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        imported = await asyncio.to_thread(import_all, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return reply(imported)

    @app.post("/api/v1/nodes:install")
    async def install(request: Request) -> Response:
        asked = convert(await body(request), Install, SOURCE)
        profiles = await asyncio.to_thread(desk.profiles)
        nodes = await asyncio.to_thread(
            desk.store.install,
            asked.names,
            installing(profiles),
            SOURCE,
            reinstall=asked.reinstall,
        )
        desk.news.changed()
        return reply({"nodes": nodes})


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value
