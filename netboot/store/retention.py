"""How many events are kept. Every function works in the caller's transaction.

Bounds, and the oldest go first: all events together, those of one machine, and those of machines
nobody registered, so that strangers on the network cannot wash out what the registered ones did.
The lines of installers' logs have two bounds of their own and are not counted with the others, so
that no chatty installer washes out what its boot did.

The bounds are looked at once in ``slack`` events: each look reads as many rows as are kept, which
takes far longer than to keep a batch. So there are ``slack`` more at most, whoever they are of.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from netboot.events import Kind
from netboot.store import schema


@dataclass(frozen=True, slots=True)
class Retention:
    """How many events are kept: in all, of one machine, of all unregistered machines.

    Attributes:
        log: lines of installers' logs in all, beside the events.
        machine_log: of one machine.
        slack: how many more there may be, of all kinds together, until the oldest go.
    """

    total: int = 100_000
    machine: int = 5_000
    strangers: int = 50_000
    log: int = 100_000
    machine_log: int = 10_000
    slack: int = 4_000


def bound(connection: sa.Connection, appended: int, keep: Retention) -> None:
    """Drop what is beyond its bound, once in ``slack`` events.

    Args:
        connection: the caller's.
        appended: how many events this transaction has appended just now.
        keep: the bounds.
    """
    before, last = connection.execute(_ENDS, {"appended": appended}).one()
    if (before or 0) // keep.slack == last // keep.slack:
        return
    events, lines = _count(connection, HAPPENED), _count(connection, LOGGED)
    if events > keep.machine:
        events -= _bound_machines(connection, _FULL, _BEYOND_OF_A_MACHINE, keep.machine)
    if events > keep.strangers:
        events -= connection.execute(_BEYOND_OF_STRANGERS, {"keep": keep.strangers}).rowcount
    if events > keep.total:
        last = _oldest(connection, HAPPENED, events - keep.total)
        connection.execute(sa.delete(schema.event).where(HAPPENED, _EVENT.id <= last))
        lines -= connection.execute(
            sa.delete(schema.event).where(LOGGED, _EVENT.id <= last)
        ).rowcount
    if lines > keep.machine_log:
        lines -= _bound_machines(connection, _FULL_LOGS, _BEYOND_OF_A_LOG, keep.machine_log)
    if lines > keep.log:
        last = _oldest(connection, LOGGED, lines - keep.log)
        connection.execute(sa.delete(schema.event).where(LOGGED, _EVENT.id <= last))


def _bound_machines(
    connection: sa.Connection, full: sa.Select[tuple[str]], beyond: sa.Delete, keep: int
) -> int:
    found = [{"one": mac, "keep": keep} for (mac,) in connection.execute(full, {"keep": keep})]
    return connection.execute(beyond, found).rowcount if found else 0


def _count(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    counted = sa.select(sa.func.count()).select_from(schema.event).where(which)
    return connection.execute(counted).scalar_one()


def _oldest(connection: sa.Connection, which: sa.ColumnElement[bool], count: int) -> int:
    """The last id of the ``count`` oldest."""
    last = sa.select(_EVENT.id).where(which).order_by(_EVENT.id).offset(count - 1).limit(1)
    return int(connection.execute(last).scalar_one())


def _full(which: sa.ColumnElement[bool]) -> sa.Select[tuple[str]]:
    """The machines with more than ``keep`` of those events."""
    many = sa.func.count() > sa.bindparam("keep")
    return (
        sa.select(_EVENT.mac)
        .where(_EVENT.mac.is_not(None), which)
        .group_by(_EVENT.mac)
        .having(many)
    )


def _beyond(mine: sa.ColumnElement[bool]) -> sa.Delete:
    """Deletes the oldest of those events beyond the newest ``keep``."""
    newest = (
        sa.select(_EVENT.id).where(mine).order_by(_EVENT.id.desc()).offset(sa.bindparam("keep"))
    )
    last = newest.limit(1).correlate(None).scalar_subquery()
    return sa.delete(schema.event).where(mine, _EVENT.id <= last)


_EVENT = schema.event.c
_NEWEST = sa.select(_EVENT.id).order_by(_EVENT.id.desc()).limit(1)
_ENDS = sa.select(
    _NEWEST.offset(sa.bindparam("appended")).scalar_subquery(), _NEWEST.scalar_subquery()
)
"""The newest id before a transaction's own events, and the newest of all."""

# as literals: an index that is partial is not used where a parameter may be anything
LOGGED = schema.event.c.kind == sa.literal_column(f"'{Kind.SYSLOG.value}'")
"""A line of an installer's log."""
HAPPENED = schema.event.c.kind != sa.literal_column(f"'{Kind.SYSLOG.value}'")
"""Any other event."""

_OF_ONE = _EVENT.mac == sa.bindparam("one")
_FULL, _FULL_LOGS = _full(HAPPENED), _full(LOGGED)
_BEYOND_OF_A_MACHINE = _beyond(sa.and_(_OF_ONE, HAPPENED))
_BEYOND_OF_A_LOG = _beyond(sa.and_(_OF_ONE, LOGGED))
_BEYOND_OF_STRANGERS = _beyond(sa.and_(_EVENT.node.is_(None), HAPPENED))
