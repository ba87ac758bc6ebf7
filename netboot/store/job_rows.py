"""Jobs ↔ rows. Every function works in the caller's transaction.

A job is leased to whoever runs its turn. Each lease has a number, its fence, and whoever holds an
older one writes nothing. A job between turns is leased to nobody.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import BESIDE
from netboot.store import schema
from netboot.store.job_shapes import Full, Starts

MAX_JOBS = 50_000
"""Kept; the oldest that ended go first."""
MAX_WAITING = 10_000
"""Jobs that have not ended."""
MAX_LISTED = 1_000
"""Jobs one question gets."""

_QUIET = frozenset({Kind.SYSLOG, Kind.CONSOLE, Kind.BMC, Kind.JOB, Kind.STATE, Kind.LOST})
"""Events that wake no job: they say nothing of how far a boot is, or are a job's own."""


def insert(connection: sa.Connection, values: Mapping[str, object]) -> Job:
    """Write a new job; what ``values`` does not say is as at the beginning."""
    row = connection.execute(sa.insert(_TABLE).values({**_FRESH, **values}).returning(_TABLE)).one()
    return job_of(row)


def row(connection: sa.Connection, number: int) -> sa.Row[Any] | None:
    """One job's row."""
    query = sa.select(_TABLE).where(_TABLE.c.id == number)
    return connection.execute(query).first()


def by_key(connection: sa.Connection, key: str) -> Job | None:
    """The job that was submitted with this idempotency key."""
    found = connection.execute(sa.select(_TABLE).where(_TABLE.c.key == key)).first()
    return None if found is None else job_of(found)


def live(connection: sa.Connection, nodes: Collection[str]) -> list[Job]:
    """The jobs of these nodes that have not ended, oldest first."""
    return [job_of(one) for one in live_rows(connection, nodes)]


def live_rows(connection: sa.Connection, nodes: Collection[str]) -> Sequence[sa.Row[Any]]:
    """What ``live`` reads."""
    mine = _TABLE.c.node.in_(nodes)
    return connection.execute(sa.select(_TABLE).where(mine, _LIVE).order_by(_TABLE.c.id)).all()


def waiting(connection: sa.Connection) -> int:
    """How many jobs have not ended."""
    query = sa.select(sa.func.count()).select_from(_TABLE).where(_LIVE)
    return int(connection.execute(query).scalar_one())


def counts(connection: sa.Connection) -> dict[tuple[JobKind, JobState], int]:
    """How many jobs of each kind are in each state."""
    what = _TABLE.c.kind, _TABLE.c.state
    rows = connection.execute(sa.select(*what, sa.func.count()).group_by(*what))
    return {(JobKind(kind), JobState(state)): count for kind, state, count in rows}


def listed(
    connection: sa.Connection,
    conditions: Iterable[sa.ColumnElement[bool]],
    limit: int,
) -> list[Job]:
    """Jobs that meet all conditions, newest first."""
    query = sa.select(_TABLE).where(*conditions).order_by(_TABLE.c.id.desc())
    rows = connection.execute(query.limit(min(limit, MAX_LISTED)))
    return [job_of(one) for one in rows]


def claim(
    connection: sa.Connection, owner: str, seconds: float, now: float
) -> tuple[Job, bytes] | None:
    """Lease the most overdue job to ``owner``, with a new fence; None where none is due."""
    free = sa.select(_TABLE.c.id).where(_LIVE, _TABLE.c.due <= now, _TABLE.c.lease <= now)
    first = free.order_by(_TABLE.c.due, _TABLE.c.id).limit(1).with_for_update(skip_locked=True)
    change = sa.update(_TABLE).where(_TABLE.c.id == first.scalar_subquery())
    taken = connection.execute(
        change.values(
            owner=owner,
            lease=now + seconds,
            fence=_TABLE.c.fence + 1,
            state=JobState.ACTIVE.value,
            woken=False,
        ).returning(_TABLE)
    ).first()
    return None if taken is None else (job_of(taken), taken.memory)


def write(connection: sa.Connection, job: Job, values: Mapping[str, object]) -> bool:
    """Change a leased job; False, and nothing is changed, where the lease is another's by now."""
    mine = (_TABLE.c.id == job.id, _TABLE.c.fence == job.fence, _TABLE.c.owner == job.owner)
    change = sa.update(_TABLE).where(*mine, _LIVE)
    return connection.execute(change.values(values)).rowcount > 0


def forsake(connection: sa.Connection, owner: str) -> None:
    """Give up all of an owner's leases."""
    mine = sa.update(_TABLE).where(_TABLE.c.owner == owner, _LIVE)
    connection.execute(mine.values(owner=None, lease=0.0))


def change(connection: sa.Connection, number: int, values: Mapping[str, object]) -> Job:
    """Change a job whoever has it."""
    mine = sa.update(_TABLE).where(_TABLE.c.id == number)
    return job_of(connection.execute(mine.values(values).returning(_TABLE)).one())


def wake(connection: sa.Connection, nodes: Collection[str], now: float) -> None:
    """Make the next turn of these nodes' jobs due; also where a turn is running meanwhile."""
    mine = sa.update(_TABLE).where(_TABLE.c.node.in_(nodes), _LIVE)
    sooner = sa.case((_TABLE.c.due > now, now), else_=_TABLE.c.due)
    connection.execute(mine.values(due=sooner, woken=True))


def follow(connection: sa.Connection, events: Sequence[Event], now: float) -> None:
    """Wake jobs by what their machines did, and keep of it what a job is judged by."""
    heard = {one.node for one in events if one.node is not None and _wakes(one)}
    if not heard:
        return
    wake(connection, heard, now)
    asked = {one.node for one in events if one.kind is Kind.DISCOVER and one.node is not None}
    if asked:
        mine = _TABLE.c.node.in_(asked)
        powered = _TABLE.c.powered.is_not(None)
        connection.execute(sa.update(_TABLE).where(mine, powered, _LIVE).values(heard=True))
    for one in events:
        number = one.data.get("installation")
        if one.kind is Kind.SCRIPT and one.node is not None and number is not None:
            given = sa.update(_TABLE).where(_TABLE.c.node == one.node, _LIVE)
            given = given.where(_TABLE.c.installation == number)
            connection.execute(given.values(touched=True))


def _wakes(event: Event) -> bool:
    """Whether it says how far a boot is; of a log the lines that tell of a stage do."""
    return event.kind not in _QUIET or (event.kind is Kind.SYSLOG and "stage" in event.data)


def touched(connection: sa.Connection, number: int) -> bool:
    """Whether the disk was touched for a job."""
    query = sa.select(_TABLE.c.touched).where(_TABLE.c.id == number)
    return bool(connection.execute(query).scalar_one())


def next_due(connection: sa.Connection) -> float | None:
    """When a job can be claimed next: it is due then, and its lease is over."""
    when = sa.case((_TABLE.c.lease > _TABLE.c.due, _TABLE.c.lease), else_=_TABLE.c.due)
    return connection.execute(sa.select(sa.func.min(when)).where(_LIVE)).scalar()


def starts_full(connection: sa.Connection, number: int, starts: Starts, now: float) -> Full | None:
    """Which bound the machines of all jobs but this one have reached, None for none."""
    silent = sa.and_(_LIVE, _TABLE.c.powered.is_not(None), _TABLE.c.heard.is_(False))
    lately = _TABLE.c.powered >= now - starts.window
    for full, bound, which in (
        (Full.AT_ONCE, starts.at_once, silent),
        (Full.PER_WINDOW, starts.per_window, lately),
    ):
        others = sa.select(sa.func.count()).select_from(_TABLE).where(which, _TABLE.c.id != number)
        if connection.execute(others).scalar_one() >= bound:
            return full
    return None


def prune(connection: sa.Connection) -> None:
    """Forget the oldest jobs that ended where more than ``MAX_JOBS`` are kept."""
    total = connection.execute(sa.select(sa.func.count()).select_from(_TABLE)).scalar_one()
    if total > MAX_JOBS:
        over = sa.select(_TABLE.c.id).where(_TABLE.c.ended.is_not(None)).order_by(_TABLE.c.id)
        over = over.limit(total - MAX_JOBS)
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.id.in_(over)))


def holds(node: str, kind: JobKind) -> str:
    """What a job of this kind has for itself as long as it has not ended."""
    return f"{node}/{kind.value if kind in BESIDE else 'disk'}"


def job_of(row: sa.Row[Any]) -> Job:
    """The job a row is."""
    return Job(
        id=row.id,
        node=row.node,
        kind=JobKind(row.kind),
        by=row.asker,
        state=JobState(row.state),
        created=float(row.created),  # SQLite's RETURNING gives whole ones as integers
        changed=float(row.changed),
        due=float(row.due),
        asked=row.asked,
        installation=row.installation,
        stage=row.stage,
        waits_for=row.waits_for,
        since=float(row.since),
        deadline=_float(row.deadline),
        attempt=row.attempt,
        cancelling=row.cancelling,
        outcome=row.outcome,
        ended=_float(row.ended),
        fence=row.fence,
        owner=row.owner,
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def conditions(
    node: str | None, states: Collection[JobState], kind: JobKind | None, after: int | None
) -> list[sa.ColumnElement[bool]]:
    """What ``listed`` is asked for."""
    wanted = []
    if node is not None:
        wanted.append(_TABLE.c.node == node)
    if states:
        wanted.append(_TABLE.c.state.in_([state.value for state in states]))
    if kind is not None:
        wanted.append(_TABLE.c.kind == kind.value)
    if after is not None:
        wanted.append(_TABLE.c.id < after)
    return wanted


def full(source: str) -> ConfigError:
    """The error for one job too many."""
    return ConfigError(source, "", f"{MAX_WAITING} jobs have not ended; no more fit")


_TABLE = schema.job
WOKEN = schema.job.c.woken
_LIVE = schema.job.c.ended.is_(None)
_FRESH: dict[str, object] = {
    "state": JobState.QUEUED.value,
    "stage": "",
    "waits_for": "",
    "attempt": 1,
    "cancelling": False,
    "outcome": "",
    "woken": False,
    "fence": 0,
    "lease": 0.0,
    "memory": b"",
    "touched": False,
    "heard": False,
}
