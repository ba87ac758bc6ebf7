"""Putting a backup in the place of what a store holds: all of it or nothing.

A backup is of the past, and machines went on since. So nothing that was under way then goes on by
itself: jobs are cancelled, and a machine that was being installed is left alone until somebody
asks again.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from netboot.errors import ConfigError, OperationError
from netboot.job import JobState
from netboot.lifecycle import Cause
from netboot.model import State
from netboot.store import schema, sqlite
from netboot.store.copying import copy, counts, tables_of
from netboot.store.database import (
    Topic,
    engines,
    is_postgresql,
    notify,
    said,
    transaction,
    upgrade,
)
from netboot.store.job_rows import MAX_LISTED
from netboot.store.opened import version
from netboot.store.store import Store
from netboot.store.trouble import NoRoom

ASKER = "netboot restore"
"""Who ends what was under way."""
SET_ASIDE = ".before-restore"
"""Behind the name of a SQLite file that could not be opened, and was replaced."""

_PRECIOUS = ("node", "node_group", "volume", "job", "event")
"""Tables that make a store one that holds something."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a restore.

    Attributes:
        rows: how many each table has now, by name.
        cancelled: how many jobs had not ended.
        freed: the nodes that were being installed.
    """

    rows: Mapping[str, int]
    cancelled: int
    freed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A ``bmc.key`` out of a backup, and where it belongs."""

    given: Path
    place: Path


def settle(database: Path) -> tuple[int, tuple[str, ...]]:
    """Bring an unpacked backup to our schema, and end what was under way in it.

    Returns:
        how many jobs had not ended, and the nodes that were being installed.
    """
    with Store(f"sqlite:///{database}") as store:
        engine = sqlite.engine_for(database, "FULL")
        with transaction(engine, writes=True) as connection:  # whoever had them is no more
            connection.execute(sa.update(schema.job).values(owner=None, lease=0.0))
            connection.execute(sa.delete(schema.bmc_lock))
        engine.dispose()
        cancelled = _cancel_all(store)
        under_way = (State.INSTALLING, State.REINSTALLING)
        freed = tuple(node.name for node in store.list() if node.state in under_way)
        store.change_state(freed, Cause.HAND_BACK, ASKER)
    return cancelled, freed


def restore(
    database: Path,
    url: str,
    password_file: Path | None,
    key: KeyFile | None = None,
    *,
    replace: bool,
) -> Restored:
    """Make a store hold what a backup holds; whoever calls sees to it that it is not served.

    Args:
        database: the unpacked backup's, which is changed.
        url: the store's.
        password_file: its password's.
        key: put in its place in the same step.
        replace: lose what is there.

    Raises:
        ConfigError: the store holds something, or it is served; nothing was changed.
        OperationError: the database or the system does not let us; nothing was changed.
    """
    cancelled, freed = settle(database)
    source = sqlite.engine_for(database, "FULL")
    target, other = _opened(url, password_file, replace=replace)
    try:
        with transaction(source) as reading, transaction(target, writes=True) as writing:
            _refuse_served(writing)
            tables = tables_of(reading)
            if not replace:
                _refuse_to_lose(counts(writing, tables), said(target), key)
            before = version(writing)
            copy(reading, writing, tables)
            _count_on(writing, before)
            if key is not None:
                _place(key)
            return Restored(counts(writing, tables), cancelled, freed)
    finally:
        for engine in (source, target, other):
            engine.dispose()


def _cancel_all(store: Store) -> int:
    waiting, after, found = (JobState.QUEUED, JobState.ACTIVE), None, 0
    while jobs := store.jobs(states=waiting, after=after, limit=MAX_LISTED):
        for job in jobs:
            store.cancel(job.id, ASKER)
        found, after = found + len(jobs), jobs[-1].id
    return found


def _opened(url: str, password_file: Path | None, *, replace: bool) -> tuple[sa.Engine, sa.Engine]:
    """The store's engines; a SQLite file that is of no use any longer is set aside."""
    made = engines(url, password_file)
    try:
        upgrade(made[0])
    except NoRoom:
        raise
    except (ConfigError, OperationError):
        if not replace or is_postgresql(url):
            raise
        for engine in made:
            engine.dispose()
        path = sqlite.path_of(url)
        for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(FileNotFoundError):
                part.rename(f"{part}{SET_ASIDE}")
        made = engines(url, password_file)
        upgrade(made[0])
    return made


def _refuse_served(writing: sa.Connection) -> None:
    """Of SQLite the data folder's lock says it."""
    if writing.dialect.name != "postgresql":
        return
    from netboot.store.postgresql import SERVING  # noqa: PLC0415 -- loads psycopg

    if writing.execute(sa.select(sa.func.pg_try_advisory_xact_lock(SERVING))).scalar():
        return
    holders = writing.execute(sa.text(_HOLDERS), {"low": SERVING & 0xFFFFFFFF}).scalars()
    problem = f"is in use by {', '.join(sorted(holders))}: end netboot serve there first"
    raise ConfigError(said(writing.engine), "", problem)


_HOLDERS = """
SELECT DISTINCT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)
WHERE locktype = 'advisory' AND granted AND objid::bigint = :low AND datname = current_database()
AND mode = 'ShareLock'
"""


def _refuse_to_lose(there: Mapping[str, int], source: str, key: KeyFile | None) -> None:
    held = [f"{there[name]} in {name}" for name in _PRECIOUS if there[name]]
    if held:
        problem = f"is not empty ({', '.join(held)}): --replace to lose what is there"
        raise ConfigError(source, "", problem)
    if key and key.place.exists() and key.place.read_bytes() != key.given.read_bytes():
        raise ConfigError(str(key.place), "", "is another key: --replace to lose it")


def _count_on(writing: sa.Connection, before: int) -> None:
    """Whoever has seen ``before`` sees that all of it changed."""
    counter = schema.meta
    now = max(before, version(writing)) + 1
    row = sa.update(counter).where(counter.c.name == "version")
    writing.execute(row.values(value=now))
    notify(writing, Topic.NODES)
    notify(writing, Topic.EVENTS)


def _place(key: KeyFile) -> None:
    """Put the key where it belongs, mode 0600, whole or not at all."""
    near = key.place.with_name(f".{key.place.name}.restored")
    try:
        near.unlink(missing_ok=True)
        descriptor = os.open(near, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, key.given.open("rb") as given:
            shutil.copyfileobj(given, file)
            file.flush()
            os.fsync(file.fileno())
        near.replace(key.place)
    except OSError as error:
        raise OperationError(f"{key.place}: cannot be written: {error.strerror}") from None
