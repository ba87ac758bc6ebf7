"""Events ↔ rows, and how many of them are kept. Every function works in the caller's transaction.

Three bounds, and the oldest go first: all events together, those of one machine, and those of
machines nobody registered, so that strangers on the network cannot wash out what the registered
ones did.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.store import schema
from netboot.store.shapes import Record

MAX_ORIGINS = 64
"""Runs of boot programs whose last number is remembered."""
MAX_ANSWER = 10_000
"""Events one question gets."""
LOOKED_BACK = 200
"""Newest events of a machine that are looked through for a sign of it; a boot makes some dozens."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many events are kept: in all, of one machine, of all unregistered machines."""

    total: int = 100_000
    machine: int = 5_000
    strangers: int = 50_000


def append(connection: sa.Connection, events: Sequence[Event], keep: Retention) -> None:
    """Keep events, in this order, and drop what is too old then."""
    if not events:
        return
    connection.execute(sa.insert(schema.event), [_row(event) for event in events])
    gone = 0
    if machines := {event.mac for event in events if event.mac is not None}:
        beyond = [{"one": mac, "keep": keep.machine} for mac in machines]
        gone += connection.execute(_BEYOND_OF_A_MACHINE, beyond).rowcount
    if any(event.node is None for event in events):
        gone += connection.execute(_BEYOND_OF_STRANGERS, {"keep": keep.strangers}).rowcount
    total = _counted(connection, len(events) - gone)
    if total > keep.total:
        _counted(connection, -_delete_oldest(connection, total - keep.total))


def last_seq(connection: sa.Connection, instance: str) -> int:
    """The highest number kept of one run of a boot program; 0 for none."""
    query = sa.select(schema.origin.c.seq).where(schema.origin.c.instance == instance)
    return connection.execute(query).scalar() or 0


def note_seq(connection: sa.Connection, instance: str, seq: int) -> None:
    """Remember the highest number kept of one run; forget the longest unseen run."""
    table = schema.origin
    connection.execute(sa.delete(table).where(table.c.instance == instance))
    connection.execute(sa.insert(table).values(instance=instance, seq=seq, seen=time.time()))
    newest = sa.select(table.c.instance).order_by(table.c.seen.desc()).limit(MAX_ORIGINS)
    connection.execute(sa.delete(table).where(table.c.instance.not_in(newest)))


def read(
    connection: sa.Connection,
    name: str | None,
    macs: Collection[Mac],
    after: int | None,
    limit: int,
) -> list[Record]:
    """Events of a machine in the order they came, and every LOST event among them.

    Args:
        connection: the caller's.
        name: events that bear this node's name.
        macs: events of these addresses.
        after: those with a higher id, oldest first; None for the newest.
        limit: at most so many.
    """
    table = schema.event.c
    limit = min(limit, MAX_ANSWER)
    conditions = [table.mac == mac for mac in macs] + [table.kind == Kind.LOST.value]
    if name is not None:
        conditions.append(table.node == name)
    found: dict[int, Record] = {}
    for condition in conditions:  # each by its own index
        query = sa.select(schema.event).where(condition).limit(limit)
        if after is None:
            query = query.order_by(table.id.desc())
        else:
            query = query.where(table.id > after).order_by(table.id)
        found |= {row.id: _record(row) for row in connection.execute(query)}
    ids = sorted(found)
    return [found[number] for number in (ids[-limit:] if after is None else ids[:limit])]


def bears_name(connection: sa.Connection, name: str) -> bool:
    """Whether any kept event is of a node of this name."""
    query = sa.select(schema.event.c.id).where(schema.event.c.node == name).limit(1)
    return connection.execute(query).first() is not None


def first_since(
    connection: sa.Connection, name: str, kinds: Collection[Kind], since: float
) -> Event | None:
    """A node's first event of ``kinds`` at ``since`` or later, among its ``LOOKED_BACK`` newest."""
    newest = sa.select(schema.event).where(schema.event.c.node == name)
    newest = newest.order_by(schema.event.c.id.desc()).limit(LOOKED_BACK)
    for row in reversed(connection.execute(newest).all()):
        if row.time >= since and row.kind in kinds:
            return _record(row).event
    return None


def _row(event: Event) -> dict[str, object]:
    return {
        "time": event.time,
        "kind": event.kind.value,
        "mac": event.mac,
        "node": event.node,
        "detail": event.detail,
        "data": dict(event.data),
    }


def _record(row: sa.Row[Any]) -> Record:
    mac = None if row.mac is None else Mac(row.mac)
    return Record(row.id, Event(Kind(row.kind), mac, row.node, row.detail, row.data, row.time))


def _counted(connection: sa.Connection, change: int) -> int:
    """How many events there are after ``change``; counting the rows would read them all."""
    table = schema.meta
    statement = sa.update(table).where(table.c.name == "events")
    statement = statement.values(value=table.c.value + change)
    now = connection.execute(statement.returning(table.c.value)).scalar_one()
    return int(now)


def _delete_oldest(connection: sa.Connection, count: int) -> int:
    number = schema.event.c.id
    oldest = sa.select(number).order_by(number).limit(count)
    return connection.execute(sa.delete(schema.event).where(number.in_(oldest))).rowcount


def _beyond(mine: sa.ColumnElement[bool]) -> sa.Delete:
    """Deletes the oldest of those events beyond the newest ``keep``; made once, for it is slow."""
    number = schema.event.c.id
    newest = sa.select(number).where(mine).order_by(number.desc()).offset(sa.bindparam("keep"))
    return sa.delete(schema.event).where(
        mine, number <= newest.limit(1).correlate(None).scalar_subquery()
    )


_BEYOND_OF_A_MACHINE = _beyond(schema.event.c.mac == sa.bindparam("one"))
_BEYOND_OF_STRANGERS = _beyond(schema.event.c.node.is_(None))
