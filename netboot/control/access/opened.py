"""The two doors, as the configuration says."""

from typing import NamedTuple

from fastapi import FastAPI

from netboot.config import Settings
from netboot.control.access.api import add_access
from netboot.control.access.attempts import Attempts
from netboot.control.access.doors import PeerDoor, TokenDoor
from netboot.control.access.guard import Guard
from netboot.control.access.hosts import Hosts
from netboot.store.access_shapes import Role
from netboot.store.store import Store


class Doors(NamedTuple):
    """One application, guarded for each way in."""

    peers: Guard
    tokens: Guard


def guarded(app: FastAPI, settings: Settings, store: Store) -> Doors:
    """Guard an application that has all its routes, after adding those of access itself."""
    hosts = Hosts(settings.api.listen, settings.api.hosts)
    door = TokenDoor(store, hosts, Attempts())
    add_access(app, store, door)
    instead = {"/metrics": Role.READ} if settings.api.metrics == "token" else {}
    return Doors(
        Guard(app, app.routes, PeerDoor(), store),
        Guard(app, app.routes, door, store, instead),
    )
