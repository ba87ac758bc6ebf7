"""The store's volumes: each is attached to one node at most, and a node has one at most."""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.store import nodes, schema
from netboot.store.database import transaction
from netboot.store.guard import Guard, unguarded
from netboot.store.opened import COMMAND_LINE, Opened, bump
from netboot.store.shapes import Conflict
from netboot.store.volume_shapes import MAX_VOLUMES, Kept, NewVolume, unknown_volume
from netboot.store.words import HOST_LABEL
from netboot.volume import Volume


class Volumes(Opened):
    """Volumes. Every change of one that is attached counts as one of nodes: a snapshot has it."""

    def volumes(self) -> Sequence[Kept]:
        """Every volume, by name."""
        with transaction(self._sure) as connection:
            return read_all(connection)

    def volume(self, name: str, source: str = COMMAND_LINE) -> Kept:
        """One volume.

        Raises:
            Unknown: there is none of that name.
        """
        with transaction(self._sure) as connection:
            return _known(connection, name, source)

    def volume_of(self, node: str, source: str = COMMAND_LINE) -> Kept | None:
        """The volume that is attached to a node, None where none is.

        Raises:
            Unknown: there is no such node.
        """
        with transaction(self._sure) as connection:
            nodes.known(connection, node, source)
            return _attached(connection, node)

    def add_volume(self, new: NewVolume, source: str = COMMAND_LINE) -> Kept:
        """Keep a new volume, attached to none.

        Raises:
            ConfigError: its name is taken (``Conflict``), or there are too many.
        """
        name = new.volume.name
        with self._writing, transaction(self._sure, writes=True) as connection:
            if _read(connection, _TABLE.c.name == name):
                raise Conflict(source, "name", f"volume {name} is there already")
            count = connection.execute(sa.select(sa.func.count()).select_from(_TABLE)).scalar_one()
            if count >= MAX_VOLUMES:
                raise ConfigError(source, "", f"there are {MAX_VOLUMES} volumes; no more fit")
            connection.execute(sa.insert(_TABLE).values(_row(new)))
            return _known(connection, name, source)

    def remove_volume(
        self, name: str, source: str = COMMAND_LINE, guard: Guard[Kept] = unguarded
    ) -> None:
        """Forget a volume. ``guard`` as in ``Store.update``.

        Raises:
            Unknown: there is none of that name.
            Conflict: it is attached.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            there = _known(connection, name, source)
            guard(there)
            if there.node is not None:
                problem = f"is attached to node {there.node}; netboot volume detach {name}"
                raise Conflict(source, "", f"volume {name} {problem}")
            connection.execute(sa.delete(_TABLE).where(_TABLE.c.name == name))

    def attach_volume(
        self,
        name: str,
        node: str | None,
        source: str = COMMAND_LINE,
        guard: Guard[Kept] = unguarded,
    ) -> Kept:
        """Attach a volume to a node, or to none; done before is no error.

        ``guard`` as in ``Store.update``.

        Raises:
            Unknown: there is no such volume, or no such node.
            Conflict: it is another node's, or the node has another one.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            there = _known(connection, name, source)
            guard(there)
            if node is not None:
                nodes.known(connection, node, source)
            if there.node == node:
                return there
            if node is not None:
                _refuse_taken(connection, there, node, source)
            connection.execute(sa.update(_TABLE).where(_TABLE.c.name == name).values(node=node))
            bump(connection)
            return _known(connection, name, source)


def read_all(connection: sa.Connection) -> Sequence[Kept]:
    """Every volume, by name, in the caller's transaction."""
    return _read(connection, sa.true())


def _known(connection: sa.Connection, name: str, source: str) -> Kept:
    if re.match(HOST_LABEL, name):
        for kept in _read(connection, _TABLE.c.name == name):
            return kept
    raise unknown_volume(name, source)


def _attached(connection: sa.Connection, node: str) -> Kept | None:
    return next(iter(_read(connection, _TABLE.c.node == node)), None)


def _refuse_taken(connection: sa.Connection, there: Kept, node: str, source: str) -> None:
    if there.node is not None:
        problem = f"is attached to node {there.node}; netboot volume detach {there.name}"
        raise Conflict(source, "node", f"volume {there.name} {problem}")
    if (other := _attached(connection, node)) is not None:
        problem = f"has volume {other.name}; netboot volume detach {other.name}"
        raise Conflict(source, "node", f"node {node} {problem}")


def _read(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> Sequence[Kept]:
    rows = connection.execute(sa.select(_TABLE).where(wanted).order_by(_TABLE.c.name))
    return [Kept(_volume(row), row.sealed, row.node) for row in rows]


def _volume(row: sa.Row[Any]) -> Volume:
    return Volume(row.name, row.target, row.portal, row.port, row.lun, row.chap_user)


def _row(new: NewVolume) -> dict[str, object]:
    volume = new.volume
    return {
        "name": volume.name,
        "target": volume.target,
        "portal": volume.portal,
        "port": volume.port,
        "lun": volume.lun,
        "chap_user": volume.chap_user,
        "sealed": new.sealed,
    }


_TABLE = schema.volume
