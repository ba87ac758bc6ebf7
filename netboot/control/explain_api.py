"""What a machine would be told now, and why, over the operator's API."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Response

from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import reply
from netboot.control.explained import NO_MAC, Explained, Explainer, client_as, client_of
from netboot.control.last_heard import LOOKED_BACK, kind_of_machine
from netboot.control.spec import spec
from netboot.model import Client, Firmware

_KEYS = ("mac", "arch")

MacAsked = Annotated[
    str,
    Query(
        pattern=r"^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$", description="A MAC in any spelling."
    ),
]
ArchAsked = Annotated[
    str | None,
    Query(
        pattern=r"^(0|[1-9][0-9]{0,4}|0[xX][0-9A-Fa-f]{1,4})$",
        description="DHCP option 93: a number such as 7 or 0x0b; else what it said last, else 7.",
    ),
]
FirmwareAsked = Annotated[
    Firmware | None, Query(description="How it speaks; else what the architecture says.")
]


def add_explain(app: FastAPI, desk: Desk) -> None:
    """Add both."""
    explainer = Explainer(desk.settings, desk.profiles, desk.planes.address)

    @app.get("/api/v1/explain", **spec(gives=Explained))
    async def explain(
        mac: MacAsked, arch: ArchAsked = None, firmware: FirmwareAsked = None
    ) -> Response:
        """What the machine with this address would be told, and why."""
        client = client_of(mac, arch, firmware, SOURCE, _KEYS)
        return await told(client, client.mac, arch, firmware)

    @app.get("/api/v1/nodes/{name}/explain", **spec(gives=Explained, fails=(404,)))
    async def explain_node(
        name: str,
        mac: MacAsked | None = None,
        arch: ArchAsked = None,
        firmware: FirmwareAsked = None,
    ) -> Response:
        """What a node would be told, and why: its script, and its answer files without secrets."""
        node = await asyncio.to_thread(desk.store.get, name, SOURCE)
        address = mac or (node.macs[0] if node.macs else NO_MAC)
        client = client_as(node, client_of(address, arch, firmware, SOURCE, _KEYS))
        return await told(client, mac or name, arch, firmware)

    async def told(
        client: Client, who: str, arch: str | None, firmware: Firmware | None
    ) -> Response:
        def explained() -> Explained:
            newest = partial(desk.store.timeline, who, None, LOOKED_BACK, SOURCE)
            machine, is_known = kind_of_machine(client, arch, firmware, newest)
            return explainer.explain(machine, desk.store.snapshot(), kind_is_known=is_known)

        return reply(await asyncio.to_thread(explained))
