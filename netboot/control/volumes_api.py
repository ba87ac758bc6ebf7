"""iSCSI volumes over the operator's API; a secret goes in and never comes out."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from netboot.control.desk import SOURCE, Desk, asker
from netboot.control.exchange import body
from netboot.control.page_shapes import VolumePage
from netboot.control.pages import USUAL, After, Limit, paged
from netboot.control.spec import ETAG, LINK, spec
from netboot.control.versions import IfMatch, IfNoneMatch, changed, unchanged_since, versioned
from netboot.store.guard import Guard
from netboot.store.shapes import Conflict
from netboot.store.volume_shapes import (
    Kept,
    VolumeChange,
    VolumeEntry,
    VolumeShown,
    volume_change_of,
    volume_of,
    volume_shown,
)

Attached = Annotated[
    str | None, Query(max_length=63, description="Only what is attached to this node.")
]


def add_volumes(app: FastAPI, desk: Desk) -> None:
    """Add volumes."""
    _add_reading(app, desk)
    _add_changes(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/volumes", **spec(gives=VolumePage, headers=LINK))
    async def list_volumes(
        request: Request, node: Attached = None, after: After = "", limit: Limit = USUAL
    ) -> Response:
        """Volumes by name; those of one node."""
        volumes = await asyncio.to_thread(desk.store.volumes)
        wanted = (one for one in volumes if one.name > after and node in (None, one.node))
        found = [volume_shown(kept) for kept in wanted]
        return paged(request, VolumePage, found, limit)

    @app.get(
        "/api/v1/volumes/{name:path}", **spec(gives=VolumeShown, fails=(304, 404), headers=ETAG)
    )
    async def get_volume(
        name: str,
        request: Request,
        if_none_match: IfNoneMatch = None,  # noqa: ARG001 -- ``versioned`` reads it
    ) -> Response:
        """One volume, and its version."""
        kept = await asyncio.to_thread(desk.store.volume, name, SOURCE)
        return versioned(volume_shown(kept), request)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/volumes",
        **spec(
            takes=VolumeEntry,
            gives=VolumeShown,
            status=201,
            fails=(409,),
            headers=ETAG,
            once=True,
        ),
    )
    async def add_volume(request: Request) -> Response:
        """Keep a new volume, attached to no node."""
        raw = await body(request)
        new = await asyncio.to_thread(volume_of, raw, desk.safe, SOURCE)
        kept = await asyncio.to_thread(desk.store.add_volume, new, SOURCE)
        return versioned(volume_shown(kept), status=201)

    @app.patch(
        "/api/v1/volumes/{name:path}",
        **spec(takes=VolumeChange, gives=VolumeShown, fails=(404, 409, 412, 502), headers=ETAG),
    )
    async def attach_volume(name: str, request: Request, if_match: IfMatch = None) -> Response:
        """Attach a volume to a node; "" takes it from the one that has it, its firmware first."""
        node, guard = volume_change_of(await body(request), SOURCE), _unchanged(if_match)
        if node is None:
            left = await asyncio.to_thread(_leave, desk, name, guard, asker(request))
            guard = partial(_still, left, guard)
        write = partial(desk.store.attach_volume, name, node, SOURCE, guard)
        kept = await changed(desk, "volumes", name, write)
        desk.news.changed()
        return versioned(volume_shown(kept))

    @app.delete("/api/v1/volumes/{name:path}", **spec(status=204, fails=(404, 409, 412)))
    async def remove_volume(name: str, if_match: IfMatch = None) -> Response:
        """Forget a volume that is attached to none."""
        write = partial(desk.store.remove_volume, name, SOURCE, _unchanged(if_match))
        await changed(desk, "volumes", name, write)
        return Response(status_code=204)


def _leave(desk: Desk, name: str, guard: Guard[Kept], who: str) -> str | None:
    """Have the firmware of the node that has a volume boot from it no more; gives that node."""
    there = desk.store.volume(name, SOURCE)
    guard(there)
    if there.node is not None:
        desk.actions.leave_volume(there.node, who, SOURCE)
    return there.node


def _still(left: str | None, guard: Guard[Kept], there: Kept) -> None:
    """See that the volume is no other node's by now: the firmware of that one boots from it."""
    guard(there)
    if there.node not in (None, left):
        said = f"volume {there.name} is attached to node {there.node} by now"
        raise Conflict(SOURCE, "node", said)


def _unchanged(if_match: str | None) -> Guard[Kept]:
    guard = unchanged_since(if_match)
    return lambda there: guard(volume_shown(there))
