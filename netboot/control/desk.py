"""What the API's handlers work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fastapi import Request

from netboot.answer.withheld import without_secret_values
from netboot.config import Settings
from netboot.control.access.roles import Who
from netboot.control.bmc_actions import Actions
from netboot.control.news import News, Signal
from netboot.control.planes import Planes
from netboot.model import Group, Node, Profile
from netboot.store.access_shapes import Role
from netboot.store.bmc_shapes import Sealing
from netboot.store.store import Store

N = TypeVar("N", Node, Group)

SOURCE = "request"
"""Where bad input stands."""


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
        settings: the site's.
        planes: what boot programs say of themselves.
        leaving: we are stopping, so nobody is kept waiting.
    """

    store: Store
    news: News
    arrived: Signal
    profiles: Callable[[], Mapping[str, Profile]]
    safe: Sealing
    actions: Actions
    settings: Settings = field(default_factory=Settings)
    planes: Planes = field(default_factory=Planes)
    leaving: bool = False


def visible(request: Request, given: N) -> N:
    """A node or group as its asker may see it: without secrets for who may only look on."""
    who: Who = request.state.who
    if who.role.covers(Role.OPERATE):
        return given
    return replace(given, vars=without_secret_values(given.vars))


def asker(request: Request) -> str:
    """Who asks, for timelines: a token's name, or that of a user of this host."""
    name: str = request.state.who.name
    return name
