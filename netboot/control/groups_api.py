"""Groups over the operator's API."""

import asyncio

from fastapi import FastAPI, Request, Response

from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import body, reply
from netboot.store.group_shapes import group_change_of, unknown_group


def add_groups(app: FastAPI, desk: Desk) -> None:
    """Add groups."""
    _add_reading(app, desk)
    _add_changes(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/groups")
    async def list_groups() -> Response:
        return reply({"groups": await asyncio.to_thread(desk.store.groups)})

    @app.get("/api/v1/groups/{name:path}")
    async def get_group(name: str) -> Response:
        for group in await asyncio.to_thread(desk.store.groups):
            if group.name == name:
                return reply(group)
        raise unknown_group(name, SOURCE)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.patch("/api/v1/groups/{name:path}")
    async def set_group(name: str, request: Request) -> Response:
        """Change a group; one that is not there begins with nothing."""
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        change = group_change_of(raw, SOURCE, profiles)
        group = await asyncio.to_thread(desk.store.set_group, name, change, SOURCE)
        desk.news.changed()
        return reply(group)

    @app.delete("/api/v1/groups/{name:path}")
    async def remove_group(name: str) -> Response:
        await asyncio.to_thread(desk.store.remove_group, name, SOURCE)
        desk.news.changed()
        return Response(status_code=204)
