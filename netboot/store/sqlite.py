"""SQLite, the default: one file, safe settings on every connection.

- WAL, so that readers and the one writer never wait for each other; a writer takes its lock when
  its transaction begins (``BEGIN IMMEDIATE``), so none fails half way for another's sake.
- Nodes are written with ``synchronous=FULL``: a change that was confirmed survives a power cut.
  Events are written with ``NORMAL``: they survive any crash of ours, and a power cut may take the
  last of them, which spares a disk flush for each step of each boot.
- File 0600 in a folder 0700 where we make it.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from netboot.errors import ConfigError, OperationError
from netboot.guide import see, why
from netboot.store.trouble import NoRoom

BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for another process's transaction."""
POOL = 4
"""Connections kept to one database for each durability."""
LEAST_ROOM = 1 << 20
"""Bytes; with less, SQLite cannot make the files it needs beside the database, and says only "disk
I/O error"."""

Durability = Literal["FULL", "NORMAL"]


def path_of(url: str) -> Path:
    """The file a ``sqlite:///`` URL names.

    Raises:
        ConfigError: it is another kind of URL.
    """
    prefix, _, name = url.partition(":///")
    if prefix != "sqlite" or not name or name == ":memory:":
        problem = (
            f'= "{url}": must be a SQLite URL such as sqlite:////var/lib/netboot/netboot.db'
            " or a PostgreSQL one such as postgresql://netboot@db.example/netboot"
        )
        raise ConfigError("configuration", "server.database", problem)
    return Path(name)


def prepare(path: Path) -> None:
    """Make the folder and the file where they are missing, and keep others out of the file.

    Raises:
        OperationError: the system does not let us.
    """
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o710, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # SQLite's own files follow it
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OperationError(f"{path}: cannot be opened: {why(error)}") from None


def engine_for(path: Path, durability: Durability) -> sa.Engine:
    """An engine whose connections all have the settings above."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), pool_size=POOL, max_overflow=0
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 -- sqlite3's, behind the pool
        connection.isolation_level = None  # transactions begin where we say
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT}",
            "journal_mode=WAL",
            "foreign_keys=ON",
            f"synchronous={durability}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def refuse_unfit(connection: sa.Connection) -> None:
    """Nothing is wrong with the SQLite that Python brings."""


def explained(url: sa.URL, error: BaseException | None) -> OperationError:
    """What the driver raised, for a person."""
    path = Path(said(url))
    name = getattr(error, "sqlite_errorname", "")
    if not name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return OperationError(f"{path}: {error}")
    what = "database or disk is full" if _is_full(path.parent) else error
    return NoRoom(f"{path}: {what}; what was there is kept; {see('full-disk')}")


def said(url: sa.URL) -> str:
    """The database for a person: its file."""
    return str(url.database)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < LEAST_ROOM
    except OSError:  # the disk is broken
        return False
