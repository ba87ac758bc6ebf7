"""Nodes over the operator's API."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from netboot.checked import convert
from netboot.control.desk import SOURCE, Desk, asker, visible
from netboot.control.entries import add, import_all, refuse_unstartable, update
from netboot.control.exchange import body, reply
from netboot.control.page_shapes import NodePage
from netboot.control.pages import USUAL, After, Labels, Limit, paged, pair
from netboot.control.spec import ETAG, LINK, spec
from netboot.control.versions import IfMatch, IfNoneMatch, changed, unchanged_since, versioned
from netboot.jobs.memory import has_cd
from netboot.model import Node, Profile, State
from netboot.policy import installing
from netboot.store.bmc_shapes import BmcEntry
from netboot.store.shapes import Imported, Install, NodeChange, NodeEntry

PARTS = ("bmc", "boot", "console", "explain", "inspect", "iscsi", "media", "power")
"""What has a path of its own below a node's."""


class BmcGiven(BmcEntry, frozen=True):
    """A BMC with where its password is: ``file:…``, ``env:…``, ``command:…`` or ``plain:…``."""

    password: str | None = None


class NodeGiven(NodeEntry, frozen=True):
    """A node with its BMC."""

    bmc: BmcGiven | None = None


class NodeChangeGiven(NodeChange, frozen=True):
    """What to change of a node and its BMC; ``null`` leaves a thing alone and "" takes it out."""

    bmc: BmcGiven | None = None


class _Name(Convertor[str]):
    """A node's name: any text, so that a strange one is told by name that nobody is called so."""

    regex = rf"(?:(?!/(?:{'|'.join(PARTS)})(?:/|$)).)+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("node", _Name())


def add_nodes(app: FastAPI, desk: Desk) -> None:
    """Add nodes."""
    _add_reading(app, desk)
    _add_changes(app, desk)
    _add_many(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/nodes", **spec(gives=NodePage, headers=LINK))
    async def list_nodes(
        request: Request,
        label: Labels = [],  # noqa: B006 -- FastAPI copies it
        state: Annotated[list[State], Query(max_length=len(State))] = [],  # noqa: B006 -- likewise
        after: After = "",
        limit: Limit = USUAL,
    ) -> Response:
        """Nodes by name: those that bear all of these labels, in one of these states."""
        labels = [pair(text) for text in label]
        found = await asyncio.to_thread(desk.store.page, after, limit + 1, state, labels)
        return paged(request, NodePage, [visible(request, node) for node in found], limit)

    @app.get("/api/v1/nodes/{name:node}", **spec(gives=Node, fails=(304, 404), headers=ETAG))
    async def get_node(
        name: str,
        request: Request,
        if_none_match: IfNoneMatch = None,  # noqa: ARG001 -- ``versioned`` reads it
    ) -> Response:
        """One node as it was registered, and its version."""
        node = await asyncio.to_thread(desk.store.get, name, SOURCE)
        return versioned(visible(request, node), request)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/nodes",
        **spec(takes=NodeGiven, gives=Node, status=201, fails=(409,), headers=ETAG, once=True),
    )
    async def add_node(request: Request) -> Response:
        """Register a node."""
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        node = await asyncio.to_thread(add, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return versioned(node, status=201)

    @app.patch(
        "/api/v1/nodes/{name:node}",
        **spec(takes=NodeChangeGiven, gives=Node, fails=(404, 409, 412), headers=ETAG),
    )
    async def change_node(name: str, request: Request, if_match: IfMatch = None) -> Response:
        """Change a node; what the body does not name stays as it is."""
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        guard = unchanged_since(if_match)
        change = partial(update, desk.store, name, raw, SOURCE, profiles, desk.safe, guard)
        node = await changed(desk, "nodes", name, change)
        desk.news.changed()
        return versioned(node)

    @app.delete("/api/v1/nodes/{name:node}", **spec(status=204, fails=(404, 409, 412, 502)))
    async def remove_node(name: str, request: Request, if_match: IfMatch = None) -> Response:
        """Forget a node, and have its firmware forget its volume; its timeline stays."""
        guard = unchanged_since(if_match)

        def remove() -> None:
            guard(desk.store.get(name, SOURCE))
            desk.actions.leave_volumes([name], asker(request), SOURCE)
            desk.store.remove(name, SOURCE, guard, has_cd=has_cd)

        await changed(desk, "nodes", name, remove)
        desk.news.changed()
        return Response(status_code=204)


def _add_many(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/nodes:import",
        **spec(takes=list[NodeGiven], gives=Imported, fails=(409,), once=True),
    )
    async def import_nodes(request: Request) -> Response:
        """Add nodes and replace those there already: all of them or none."""
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        imported = await asyncio.to_thread(import_all, desk.store, raw, SOURCE, profiles, desk.safe)
        desk.news.changed()
        return reply(imported)

    @app.post(
        "/api/v1/nodes:install", **spec(takes=Install, gives=NodePage, fails=(404,), once=True)
    )
    async def install_nodes(request: Request) -> Response:
        """Have nodes installed when they boot from the network next: all of them or none."""
        asked = convert(await body(request), Install, SOURCE)
        profiles = await asyncio.to_thread(desk.profiles)
        nodes = await asyncio.to_thread(_installed, desk, asked, profiles)
        desk.news.changed()
        return reply(NodePage(tuple(nodes)))


def _installed(desk: Desk, asked: Install, profiles: Mapping[str, Profile]) -> Sequence[Node]:
    named = desk.store.get_all(asked.names, SOURCE)
    refuse_unstartable(desk.store, named, profiles, SOURCE)
    known = installing(profiles)
    return desk.store.install(asked.names, known, SOURCE, reinstall=asked.reinstall)
