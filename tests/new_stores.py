"""New SQLite stores have their tables from one upgrade in a process, not each from its own.

Ten migrations are most of what a test of a store would take. Processes that tests start, databases
that are not empty, and PostgreSQL are upgraded as ever.
"""

from collections.abc import Iterator
from functools import cache

import pytest
import sqlalchemy as sa

from netboot.store import database
from netboot.store.schema import HEAD

migrate = database.migrate


@pytest.fixture(scope="session", autouse=True)
def new_stores_share_an_upgrade() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", _make_or_migrate)
        yield


def _make_or_migrate(connection: sa.Connection, to: str) -> None:
    is_new = connection.dialect.name == "sqlite" and not sa.inspect(connection).get_table_names()
    if is_new and to == HEAD:
        for statement in _as_upgraded():
            connection.exec_driver_sql(statement)
    else:
        migrate(connection, to)


@cache
def _as_upgraded() -> tuple[str, ...]:
    """What makes an empty database as the migrations leave one."""
    with sa.create_engine("sqlite://").connect() as connection:
        migrate(connection, HEAD)
        raw = connection.connection.driver_connection
        assert raw is not None
        return tuple(
            line for line in raw.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")
        )
