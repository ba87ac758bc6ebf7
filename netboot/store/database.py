"""Opening the database: safe settings on every connection, and the schema this code knows.

- WAL, so that readers and the one writer never wait for each other; a writer takes its lock when
  its transaction begins (``BEGIN IMMEDIATE``), so none fails half way for another's sake.
- Nodes are written with ``synchronous=FULL``: a change that was confirmed survives a power cut.
  Events are written with ``NORMAL``: they survive any crash of ours, and a power cut may take the
  last of them, which spares a disk flush for each step of each boot.
- File 0600 in a folder 0700 where we make it. An upgrade is one transaction.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from netboot.errors import ConfigError, OperationError
from netboot.guide import see
from netboot.store.schema import HEAD, REVISIONS

BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for another process's transaction."""
POOL = 4
"""Connections kept to one database for each durability."""
LEAST_ROOM = 1 << 20
"""Bytes; with less, SQLite cannot make the files it needs beside the database, and says only "disk
I/O error"."""
MIGRATIONS = Path(__file__).parent / "migrations"

Durability = Literal["FULL", "NORMAL"]


def path_of(url: str) -> Path:
    """The file a ``sqlite:///`` URL names.

    Raises:
        ConfigError: it is another kind of URL.
    """
    prefix, _, name = url.partition(":///")
    if prefix != "sqlite" or not name or name == ":memory:":
        problem = f'= "{url}": must be a SQLite URL such as sqlite:////var/lib/netboot/netboot.db'
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
        raise OperationError(f"{path}: cannot be opened: {error.strerror}") from None


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


class NoRoom(OperationError):  # noqa: N818 -- what happened, as its reader would say it
    """The disk is full, or broken; what was in the database still is."""


@contextmanager
def transaction(engine: sa.Engine, *, writes: bool = False) -> Iterator[sa.Connection]:
    """One transaction, whole or not at all.

    Raises:
        NoRoom: the disk has no room, or is broken.
        OperationError: the database could not do it otherwise: locked, damaged.
    """
    try:
        with engine.connect().execution_options(writes=writes) as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        raise _explained(Path(str(engine.url.database)), error.orig) from error


def _explained(path: Path, error: BaseException | None) -> OperationError:
    name = getattr(error, "sqlite_errorname", "")
    if not name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return OperationError(f"{path}: {error}")
    said = "database or disk is full" if _is_full(path.parent) else error
    return NoRoom(f"{path}: {said}; what was there is kept; {see('full-disk')}")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < LEAST_ROOM
    except OSError:  # the disk is broken
        return False


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to ``HEAD``.

    Raises:
        ConfigError: the file is somebody else's, or was written by a newer netboot.
    """
    with transaction(engine) as connection:
        if _revision(connection) == HEAD:
            return
    with transaction(engine, writes=True) as connection:
        if _revision(connection) != HEAD:  # nobody else upgraded it meanwhile
            _migrate(connection)


def _migrate(connection: sa.Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it narrates each step at INFO
    from alembic import command  # noqa: PLC0415 -- costs 0.2 s, and is needed once in a schema's life
    from alembic.config import Config  # noqa: PLC0415 -- likewise

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    """The schema's number; None for an empty file."""
    source = str(connection.engine.url.database)
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise ConfigError(source, "", "is a database, but not one of netboot's")
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found is not None and found not in REVISIONS:
        problem = f"was written by a newer netboot (schema {found}; this one knows {HEAD})"
        raise ConfigError(source, "", f"{problem}: upgrade netboot, or restore a backup")
    return found
