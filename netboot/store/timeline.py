"""Events ↔ rows, and how many of them are kept. Every function works in the caller's transaction.

Bounds, and the oldest go first: all events together, those of one machine, and those of machines
nobody registered, so that strangers on the network cannot wash out what the registered ones did.
The lines of installers' logs have two bounds of their own and are not counted with the others, so
that no chatty installer washes out what its boot did.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netboot.events import WARNS, Event, Kind
from netboot.model import Mac
from netboot.store import schema
from netboot.store.database import Topic, notify
from netboot.store.shapes import Record

MAX_ORIGINS = 64
"""Runs of boot programs whose last number is remembered."""
MAX_ANSWER = 10_000
"""Events one question gets."""
LOOKED_BACK = 200
"""Newest events of a machine that are looked through for a sign of it; a boot makes some dozens."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many events are kept: in all, of one machine, of all unregistered machines.

    Attributes:
        log: lines of installers' logs in all, beside the events.
        machine_log: of one machine.
    """

    total: int = 100_000
    machine: int = 5_000
    strangers: int = 50_000
    log: int = 100_000
    machine_log: int = 10_000


def append(connection: sa.Connection, events: Sequence[Event], keep: Retention) -> None:
    """Keep events, in this order, and drop what is too old then."""
    if not events:
        return
    connection.execute(sa.insert(schema.event), [_row(event) for event in events])
    lines = [event for event in events if event.kind is Kind.SYSLOG]
    if lines:
        _bound_log(connection, lines, keep)
    if len(lines) < len(events):
        others = [event for event in events if event.kind is not Kind.SYSLOG]
        _bound(connection, others, keep)
    notify(connection, Topic.EVENTS)


def _bound(connection: sa.Connection, events: Sequence[Event], keep: Retention) -> None:
    gone = _beyond_of(_BEYOND_OF_A_MACHINE, connection, events, keep.machine)
    if any(event.node is None for event in events):
        gone += connection.execute(_BEYOND_OF_STRANGERS, {"keep": keep.strangers}).rowcount
    total = _counted(connection, "events", len(events) - gone)
    if total > keep.total:
        _delete_oldest(connection, total - keep.total)


def _bound_log(connection: sa.Connection, lines: Sequence[Event], keep: Retention) -> None:
    gone = _beyond_of(_BEYOND_OF_A_LOG, connection, lines, keep.machine_log)
    total = _counted(connection, "log", len(lines) - gone)
    if total > keep.log:
        number = schema.event.c.id
        oldest = sa.select(number).where(_LOGGED).order_by(number).limit(total - keep.log)
        deleted = connection.execute(sa.delete(schema.event).where(number.in_(oldest))).rowcount
        _counted(connection, "log", -deleted)


def _beyond_of(
    statement: sa.Delete, connection: sa.Connection, events: Sequence[Event], keep: int
) -> int:
    machines = {event.mac for event in events if event.mac is not None}
    if not machines:
        return 0
    return connection.execute(statement, [{"one": mac, "keep": keep} for mac in machines]).rowcount


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
        found |= _found(connection, sa.and_(condition, _HAPPENED), after, limit)
    lines = _LOGGED if log else sa.and_(_LOGGED, _TELLING)
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
    telling = sa.or_(_HAPPENED, sa.and_(_LOGGED, _TELLING))
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
    newest = sa.select(schema.event).where(schema.event.c.node == name, _HAPPENED)
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


def _counted(connection: sa.Connection, what: str, change: int) -> int:
    """How many there are after ``change``; counting the rows would read them all."""
    table = schema.meta
    statement = sa.update(table).where(table.c.name == what)
    statement = statement.values(value=table.c.value + change)
    now = connection.execute(statement.returning(table.c.value)).scalar_one()
    return int(now)


def _delete_oldest(connection: sa.Connection, count: int) -> None:
    """The oldest ``count`` events, and log lines older than these: their boots are gone."""
    number = schema.event.c.id
    last = sa.select(number).where(_HAPPENED).order_by(number).offset(count - 1).limit(1)
    upto = number <= connection.execute(last).scalar_one()
    lines = connection.execute(sa.delete(schema.event).where(_LOGGED, upto)).rowcount
    events = connection.execute(sa.delete(schema.event).where(upto)).rowcount
    _counted(connection, "log", -lines)
    _counted(connection, "events", -events)


def _beyond(mine: sa.ColumnElement[bool]) -> sa.Delete:
    """Deletes the oldest of those events beyond the newest ``keep``; made once, for it is slow."""
    number = schema.event.c.id
    newest = sa.select(number).where(mine).order_by(number.desc()).offset(sa.bindparam("keep"))
    return sa.delete(schema.event).where(
        mine, number <= newest.limit(1).correlate(None).scalar_subquery()
    )


# as literals: an index that is partial is not used where a parameter may be anything
_LOGGED = schema.event.c.kind == sa.literal_column(f"'{Kind.SYSLOG.value}'")
_HAPPENED = schema.event.c.kind != sa.literal_column(f"'{Kind.SYSLOG.value}'")
_TELLING = sa.or_(
    schema.event.c.data["stage"].as_string().is_not(None),
    schema.event.c.data["severity"].as_string().in_(sorted(WARNS)),
)

_OF_ONE = schema.event.c.mac == sa.bindparam("one")
_BEYOND_OF_A_MACHINE = _beyond(sa.and_(_OF_ONE, _HAPPENED))
_BEYOND_OF_A_LOG = _beyond(sa.and_(_OF_ONE, _LOGGED))
_BEYOND_OF_STRANGERS = _beyond(sa.and_(schema.event.c.node.is_(None), _HAPPENED))
