"""An open database, which the parts of the store share: two engines and one writer's lock."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from netboot.store import schema
from netboot.store.database import Topic, engines, notify, upgrade
from netboot.store.retention import Retention

COMMAND_LINE = "command line"
"""Where bad input stands when nobody says otherwise."""


class Opened:
    """One database.

    Args:
        url: ``sqlite:///`` and a file, which is made where it is missing, or ``postgresql://`` and
            what libpq takes after it; the tables are made, or upgraded where they are old.
        retention: how many events are kept.
        password_file: where PostgreSQL's password is.

    Raises:
        ConfigError: the URL or the database is not one we can use.
        OperationError: the system or the database does not let us.
    """

    def __init__(
        self, url: str, retention: Retention | None = None, password_file: Path | None = None
    ) -> None:
        self._retention = retention or Retention()
        self._sure, self._quick = engines(url, password_file)
        self._writing = threading.Lock()  # threads queue here, not at the database's own lock
        try:
            upgrade(self._sure)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up every connection; the last one out folds the WAL into the file."""
        self._sure.dispose()
        self._quick.dispose()


def bump(connection: sa.Connection) -> None:
    """Count a change of nodes or groups."""
    counter = schema.meta
    row = sa.update(counter).where(counter.c.name == "version")
    connection.execute(row.values(value=counter.c.value + 1))
    notify(connection, Topic.NODES)


def version(connection: sa.Connection) -> int:
    """How many changes of nodes and groups there were."""
    counter = schema.meta.c
    query = sa.select(counter.value).where(counter.name == "version")
    return int(connection.execute(query).scalar_one())
