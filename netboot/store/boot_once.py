"""What is said over Redfish of nodes ↔ rows. Every function works in the caller's transaction.

::

    nothing ──said: once──▶ armed ──a boot obeyed it──▶ nothing
            ──said: continuous──▶ holds until something else is said
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from netboot.bmc.model import PowerState
from netboot.events import Event, Kind
from netboot.model import BootSource, Override
from netboot.store import schema

NUMBER_BITS = 53
"""Of an override's number: what every reader of JSON keeps exactly."""

_Condition = Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]


def overrides(connection: sa.Connection, wanted: _Condition) -> dict[str, Override]:
    """What was said of the nodes that are wanted, by name; those of which nothing was are left out.

    Args:
        connection: the caller's.
        wanted: the condition on a column with nodes' names.
    """
    rows = connection.execute(sa.select(_TABLE).where(wanted(_TABLE.c.node)))
    return {row.node: _override(row) for row in rows}


def read(connection: sa.Connection, node: str) -> tuple[Override, PowerState]:
    """What was said of one node, and what its power was changed to last."""
    row = connection.execute(sa.select(_TABLE).where(_TABLE.c.node == node)).first()
    return (Override(), PowerState.UNKNOWN) if row is None else (_override(row), _power(row))


def arm(connection: sa.Connection, node: str, source: BootSource, *, once: bool) -> Override:
    """Say what a node starts from; what was said before is over."""
    number = secrets.randbits(NUMBER_BITS)
    return _write(connection, node, source=source.value, once=once, number=number)


def load(connection: sa.Connection, node: str, image: str | None) -> Override:
    """Put an image's URL into a node's virtual CD drive, or empty it."""
    return _write(connection, node, image=image)


def keep_power(connection: sa.Connection, node: str, power: PowerState) -> None:
    """Keep what a node's power was changed to."""
    _write(connection, node, power=power.value)


def follow(connection: sa.Connection, events: Sequence[Event]) -> bool:
    """Disarm what boots obeyed; whether anything was.

    A boot that obeyed an earlier override than the one that is armed changes nothing.
    """
    changed = False
    for event in events:
        number = event.data.get("override")
        if event.kind is not Kind.OVERRIDE or event.node is None or number is None:
            continue
        done = connection.execute(
            sa.update(_TABLE)
            .where(_TABLE.c.node == event.node, _TABLE.c.number == number, _TABLE.c.once)
            .values(source=BootSource.NONE.value, once=False)
        )
        changed = changed or done.rowcount > 0
    return changed


def _write(connection: sa.Connection, node: str, **values: object) -> Override:
    mine = _TABLE.c.node == node
    if connection.execute(sa.update(_TABLE).where(mine).values(values)).rowcount == 0:
        fresh = {"node": node, "source": "none", "once": False, "number": 0, "power": "unknown"}
        connection.execute(sa.insert(_TABLE).values(fresh | values))
    return read(connection, node)[0]


def _override(row: sa.Row[Any]) -> Override:
    return Override(BootSource(row.source), row.once, row.image, row.number)


def _power(row: sa.Row[Any]) -> PowerState:
    return PowerState(row.power)


_TABLE = schema.boot_once
