"""The machines' network over the operator's API: strangers, other servers, and what was dropped."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Request, Response

from netboot.control.desk import Desk
from netboot.control.exchange import reply
from netboot.control.page_shapes import MOST
from netboot.control.pages import link
from netboot.control.spec import LINK, spec
from netboot.control.surveyed import Surveyed, surveyed
from netboot.store.strangers import Stranger


class DiscoveredPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Machines nobody registered, those heard last first."""

    discovered: tuple[Stranger, ...]
    next: int | None = None


class DhcpServerSeen(msgspec.Struct, frozen=True):
    """A DHCP server whose offers machines took: how often, and when last, epoch seconds."""

    address: str
    times: int
    last: float


class Network(msgspec.Struct, frozen=True):
    """What is known of the machines' network.

    Attributes:
        boot_programs: how many are connected.
        interfaces: where they serve: name → our address there.
        dropped: what they dropped since their start, by reason.
        dhcp_servers: whose offers machines took while we served.
        surveyed: DHCP and PXE servers that answered when ``netboot serve`` looked round.
    """

    boot_programs: int
    interfaces: dict[str, str]
    dropped: dict[str, int]
    dhcp_servers: tuple[DhcpServerSeen, ...]
    surveyed: tuple[Surveyed, ...]


def add_network(app: FastAPI, desk: Desk) -> None:
    """Add strangers and the network."""

    @app.get("/api/v1/discovered", **spec(gives=DiscoveredPage, headers=LINK))
    async def list_discovered(
        request: Request,
        after: Annotated[
            int | None, Query(ge=0, lt=2**63, description="``next`` of the page before.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> Response:
        """Machines that were heard and that nobody registered."""
        found = await asyncio.to_thread(desk.store.strangers, after, limit + 1)
        shown = tuple(found[:limit])
        following = shown[-1].last.id if len(found) > limit else None
        answer = reply(DiscoveredPage(shown, following))
        if following is not None:
            answer.headers["link"] = link(request, following)
        return answer

    @app.get("/api/v1/network", **spec(gives=Network))
    async def get_network() -> Response:
        """Where we serve, who else does, and what was dropped."""
        seen = await asyncio.to_thread(surveyed, desk.settings.run_dir)
        planes = desk.planes
        servers = (DhcpServerSeen(name, *one) for name, one in planes.servers().items())
        return reply(
            Network(
                planes.connected,
                dict(planes.interfaces()),
                dict(planes.totals().dropped),
                tuple(servers),
                seen,
            )
        )
