"""Events ↔ rows. Every function works in the caller's transaction."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from netboot.events import WARNS, Event, Kind
from netboot.model import Mac
from netboot.store import schema
from netboot.store.database import Topic, notify
from netboot.store.retention import HAPPENED, LOGGED, Retention, bound
from netboot.store.shapes import Record

MAX_ORIGINS = 64
"""Runs of boot programs whose last number is remembered."""
MAX_ANSWER = 10_000
"""Events one question gets."""
LOOKED_BACK = 200
"""Newest events of a machine that are looked through for a sign of it; a boot makes some dozens."""


def append(connection: sa.Connection, events: Sequence[Event], keep: Retention) -> None:
    """Keep events, in this order; of those that are too old some go."""
    if not events:
        return
    connection.execute(sa.insert(schema.event), [_row(event) for event in events])
    bound(connection, len(events), keep)
    notify(connection, Topic.EVENTS)


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
    *,
    log: bool = False,
) -> list[Record]:
    """Events of a machine in the order they came, and every LOST event among them.

    Args:
        connection: the caller's.
        name: events that bear this node's name.
        macs: events of these addresses.
        after: those with a higher id, oldest first; None for the newest.
        limit: at most so many.
        log: every line of installers' logs, not only those that warn or tell of a stage.
    """
    table = schema.event.c
    limit = min(limit, MAX_ANSWER)
    own = [table.mac == mac for mac in macs]
    if name is not None:
        own.append(table.node == name)
    found: dict[int, Record] = {}
    for condition in [*own, table.kind == Kind.LOST.value]:  # each by its own index
        found |= _found(connection, sa.and_(condition, HAPPENED), after, limit)
    lines = LOGGED if log else sa.and_(LOGGED, _TELLING)
    for condition in own:
        found |= _found(connection, sa.and_(condition, lines), after, limit)
    ids = sorted(found)
    return [found[number] for number in (ids[-limit:] if after is None else ids[:limit])]


def read_newest(
    connection: sa.Connection, name: str, macs: Collection[Mac], since: int, limit: int
) -> list[Record]:
    """A machine's newest events with a higher id than ``since``, in the order they came.

    At most ``limit``. Of its installers' logs those lines that warn or tell of a stage; without
    the LOST events, which are of no machine.
    """
    table = schema.event.c
    telling = sa.or_(HAPPENED, sa.and_(LOGGED, _TELLING))
    found: dict[int, Record] = {}
    for own in [table.node == name, *(table.mac == mac for mac in macs)]:  # each by its own index
        condition = sa.and_(own, table.id > since, telling)
        found |= _found(connection, condition, None, limit)
    return [found[number] for number in sorted(found)[-limit:]]


def _found(
    connection: sa.Connection, condition: sa.ColumnElement[bool], after: int | None, limit: int
) -> dict[int, Record]:
    number = schema.event.c.id
    query = sa.select(schema.event).where(condition).limit(limit)
    if after is None:
        query = query.order_by(number.desc())
    else:
        query = query.where(number > after).order_by(number)
    return {row.id: _record(row) for row in connection.execute(query)}


def read_all(connection: sa.Connection, after: int, limit: int) -> list[Record]:
    """Everybody's events with a higher id than ``after``, oldest first, at most ``limit``."""
    number = schema.event.c.id
    query = sa.select(schema.event).where(number > after).order_by(number)
    return [_record(row) for row in connection.execute(query.limit(min(limit, MAX_ANSWER)))]


def read_these(connection: sa.Connection, ids: Collection[int]) -> dict[int, Record]:
    """Events by their ids; those that are gone are left out."""
    rows = connection.execute(sa.select(schema.event).where(schema.event.c.id.in_(ids)))
    return {row.id: _record(row) for row in rows}


def newest(connection: sa.Connection) -> int:
    """The highest id of an event; 0 where there is none."""
    return connection.execute(sa.select(sa.func.max(schema.event.c.id))).scalar() or 0


def bears_name(connection: sa.Connection, name: str) -> bool:
    """Whether any kept event is of a node of this name."""
    query = sa.select(schema.event.c.id).where(schema.event.c.node == name).limit(1)
    return connection.execute(query).first() is not None


def first_since(
    connection: sa.Connection, name: str, kinds: Collection[Kind], since: float
) -> Event | None:
    """A node's first event of ``kinds`` at ``since`` or later, among its ``LOOKED_BACK`` newest."""
    newest = sa.select(schema.event).where(schema.event.c.node == name, HAPPENED)
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


_TELLING = sa.or_(
    schema.event.c.data["stage"].as_string().is_not(None),
    schema.event.c.data["severity"].as_string().in_(sorted(WARNS)),
)
