"""An open database, which the parts of the store share: two engines and one writer's lock."""

import threading
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from netboot.store import schema
from netboot.store.database import engine_for, path_of, prepare, upgrade
from netboot.store.timeline import Retention

COMMAND_LINE = "command line"
"""Where bad input stands when nobody says otherwise."""


class Opened:
    """One database.

    Args:
        url: ``sqlite:///`` and a file; it is made where it is missing, upgraded where it is old.
        retention: how many events are kept.

    Raises:
        ConfigError: the URL or the file is not one we can use.
        OperationError: the system or the database does not let us.
    """

    def __init__(self, url: str, retention: Retention | None = None) -> None:
        path = path_of(url)
        prepare(path)
        self._retention = retention or Retention()
        self._sure = engine_for(path, "FULL")
        self._quick = engine_for(path, "NORMAL")
        self._writing = threading.Lock()  # threads queue here instead of polling SQLite's lock
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


def version(connection: sa.Connection) -> int:
    """How many changes of nodes and groups there were."""
    counter = schema.meta.c
    query = sa.select(counter.value).where(counter.name == "version")
    return int(connection.execute(query).scalar_one())
