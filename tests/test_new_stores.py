"""What stands in for the migrations of a new store leaves what they leave."""

import sqlite3
from pathlib import Path

from netboot.store import database
from netboot.store.schema import HEAD
from netboot.store.store import Store
from tests import new_stores


def written(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = list(connection.iterdump())
    connection.close()
    return found


def test_a_new_store_is_as_the_migrations_make_one(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/new.db").close()
    upgraded, _ = database.engines(f"sqlite:///{tmp_path}/upgraded.db")
    with database.transaction(upgraded, writes=True) as connection:
        new_stores.migrate(connection, HEAD)
    upgraded.dispose()
    assert written(tmp_path / "new.db") == written(tmp_path / "upgraded.db")
