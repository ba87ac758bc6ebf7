"""Groups over the operator's API."""

import asyncio
from functools import partial

from fastapi import FastAPI, Request, Response

from netboot.control import entries
from netboot.control.desk import SOURCE, Desk, visible
from netboot.control.exchange import body
from netboot.control.page_shapes import GroupPage
from netboot.control.pages import USUAL, After, Limit, paged
from netboot.control.spec import ETAG, LINK, spec
from netboot.control.versions import IfMatch, IfNoneMatch, changed, unchanged_since, versioned
from netboot.model import Group
from netboot.store.group_shapes import GroupChange, unknown_group


def add_groups(app: FastAPI, desk: Desk) -> None:
    """Add groups."""
    _add_reading(app, desk)
    _add_changes(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/groups", **spec(gives=GroupPage, headers=LINK))
    async def list_groups(request: Request, after: After = "", limit: Limit = USUAL) -> Response:
        """Groups by name."""
        groups = await asyncio.to_thread(desk.store.groups)
        found = [visible(request, one) for one in groups if one.name > after]
        return paged(request, GroupPage, found, limit)

    @app.get("/api/v1/groups/{name:path}", **spec(gives=Group, fails=(304, 404), headers=ETAG))
    async def get_group(
        name: str,
        request: Request,
        if_none_match: IfNoneMatch = None,  # noqa: ARG001 -- ``versioned`` reads it
    ) -> Response:
        """One group, and its version."""
        for group in await asyncio.to_thread(desk.store.groups):
            if group.name == name:
                return versioned(visible(request, group), request)
        raise unknown_group(name, SOURCE)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.patch(
        "/api/v1/groups/{name:path}",
        **spec(takes=GroupChange, gives=Group, fails=(412,), headers=ETAG),
    )
    async def set_group(name: str, request: Request, if_match: IfMatch = None) -> Response:
        """Change a group; one that is not there begins with nothing."""
        raw, profiles = await body(request), await asyncio.to_thread(desk.profiles)
        guard = unchanged_since(if_match)
        write = partial(entries.set_group, desk.store, name, raw, SOURCE, profiles, guard)
        group = await changed(desk, "groups", name, write)
        desk.news.changed()
        return versioned(group)

    @app.delete("/api/v1/groups/{name:path}", **spec(status=204, fails=(404, 412)))
    async def remove_group(name: str, if_match: IfMatch = None) -> Response:
        """Forget a group."""
        profiles, guard = await asyncio.to_thread(desk.profiles), unchanged_since(if_match)
        forget = partial(entries.remove_group, desk.store, name, SOURCE, profiles, guard)
        await changed(desk, "groups", name, forget)
        desk.news.changed()
        return Response(status_code=204)
