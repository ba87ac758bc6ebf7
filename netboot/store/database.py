"""The database, whichever it is: transactions, errors in words, and the schema this code knows.

SQLite (``netboot.store.sqlite``) and PostgreSQL (``netboot.store.postgresql``) are alike from here
on: a transaction that writes has the whole database's one writer's lock from its beginning, one
that reads sees one moment and waits for nobody. An upgrade is one transaction.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from netboot.errors import ConfigError, OperationError
from netboot.store import sqlite
from netboot.store.schema import HEAD, REVISIONS

MIGRATIONS = Path(__file__).parent / "migrations"
CHANNEL = "netboot"
"""Where PostgreSQL tells of changes."""


class Topic(StrEnum):
    """What other programs on the same database are told of."""

    NODES = "nodes"
    """The version was counted up."""
    EVENTS = "events"
    """Events were kept."""


def engines(url: str, password_file: Path | None = None) -> tuple[sa.Engine, sa.Engine]:
    """Engines for what is confirmed to people, and for events (``netboot.store.sqlite``).

    PostgreSQL confirms nothing that is not durable; there both are the same.

    Raises:
        ConfigError: the URL is none of ours.
        OperationError: the system does not let us.
    """
    if is_postgresql(url):
        from netboot.store.postgresql import engine_for  # noqa: PLC0415 -- costs 0.1 s

        engine = engine_for(url, password_file)
        return engine, engine
    path = sqlite.path_of(url)
    sqlite.prepare(path)
    return sqlite.engine_for(path, "FULL"), sqlite.engine_for(path, "NORMAL")


@contextmanager
def transaction(engine: sa.Engine, *, writes: bool = False) -> Iterator[sa.Connection]:
    """One transaction, whole or not at all.

    Raises:
        NoRoom: the disk has no room, or is broken.
        Away: the database's server cannot be reached.
        OperationError: the database could not do it otherwise: locked, damaged.
    """
    try:
        with engine.connect().execution_options(writes=writes) as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        raise _kind_of(engine).explained(engine.url, error.orig) from error
    except sa.exc.TimeoutError as error:
        raise OperationError(f"{said(engine)}: all connections to it are busy") from error


def notify(connection: sa.Connection, topic: Topic) -> None:
    """Tell other programs on this database, when the transaction is committed.

    They look for themselves from time to time where the database cannot tell.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, topic.value)))


def said(engine: sa.Engine) -> str:
    """The database for a person."""
    return str(_kind_of(engine).said(engine.url))


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to ``HEAD``.

    Raises:
        ConfigError: the database is somebody else's, unfit, or was written by a newer netboot.
    """
    with transaction(engine) as connection:
        if revision(connection) == HEAD:
            return
    with transaction(engine, writes=True) as connection:
        if revision(connection) != HEAD:  # nobody else upgraded it meanwhile
            migrate(connection, HEAD)


def migrate(connection: sa.Connection, to: str) -> None:
    """Bring the schema to one of ``REVISIONS``, in the caller's transaction."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it narrates each step at INFO
    from alembic import command  # noqa: PLC0415 -- costs 0.2 s, and is needed once in a schema's life
    from alembic.config import Config  # noqa: PLC0415 -- likewise

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def revision(connection: sa.Connection) -> str | None:
    """The schema's number; None for an empty database.

    Raises:
        ConfigError: as ``upgrade``.
    """
    source = said(connection.engine)
    _kind_of(connection).refuse_unfit(connection)
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


def is_postgresql(url: str) -> bool:
    """Whether ``url`` is one of PostgreSQL's."""
    return url.startswith(("postgresql://", "postgres://"))


def _kind_of(one: sa.Engine | sa.Connection) -> ModuleType:
    """The module that knows this kind of database."""
    if one.dialect.name == "sqlite":
        return sqlite
    from netboot.store import postgresql  # noqa: PLC0415 -- costs 0.1 s, and is in use already

    return postgresql
