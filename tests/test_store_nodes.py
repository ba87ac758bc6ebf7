"""The store's nodes: what is kept, what is refused, what others see and when nothing changes."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from netboot.errors import ConfigError, OperationError
from netboot.model import Mac, Node
from netboot.store import database
from netboot.store.database import MIGRATIONS
from netboot.store.schema import HEAD, REVISIONS, metadata
from netboot.store.shapes import Conflict, Imported, NodeChange, Unknown
from netboot.store.sqlite import engine_for
from netboot.store.store import Store
from tests import new_stores

UUID = "4c4c4544-004d-3510-8052-b4c04f4a3132"


def mac(number: int) -> Mac:
    return Mac(f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}")


def made(name: str, *numbers: int, **labels: str) -> Node:
    return Node(name, tuple(mac(n) for n in numbers), "debian-12", labels, {"hostname": name})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "netboot.db"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        yield opened


class TestNodes:
    def test_what_was_added_is_there(self, store: Store, database_url: str) -> None:
        node = made("n1", 2, 1, rack="a")
        store.add(node)
        assert store.get("n1") == node
        with Store(database_url) as other:
            assert other.list() == [node]

    def test_many_are_read_at_once_in_the_order_in_which_they_are_named(self, store: Store) -> None:
        store.import_nodes([made(f"n{n}", n, rack="a") for n in range(1, 31)], "nodes.yaml")
        names, asked = [f"n{n}" for n in (30, 2, 17, 2)], 0

        def count(*_: object) -> None:
            nonlocal asked
            asked += 1

        sa.event.listen(store._sure, "before_cursor_execute", count)
        assert [node.name for node in store.get_all(names)] == names
        few = asked
        assert len(store.get_all([f"n{n}" for n in range(1, 31)])) == 30
        assert asked == 2 * few
        for stranger in ("n31", "no name\0"):
            with pytest.raises(Unknown, match="no node is called"):
                store.get_all(["n1", stranger])

    def test_a_mac_has_one_owner_and_both_are_named(self, store: Store) -> None:
        store.add(made("n1", 1))
        line = f"{mac(1)} belongs to node n1; node n2 cannot claim it too"
        with pytest.raises(Conflict, match=line):
            store.add(made("n2", 2, 1))
        store.add(made("n2", 2))
        with pytest.raises(Conflict, match=line):
            store.update("n2", NodeChange(add_macs=(mac(1),)))
        assert store.get("n2").macs == (mac(2),)

    @pytest.mark.parametrize(
        ("kind", "value", "said"),
        [
            ("uuid", UUID, f"UUID {UUID}"),
            ("serial", "A1", "serial number A1"),
            ("asset_tag", "A1", "asset tag A1"),
        ],
    )
    def test_an_identity_has_one_owner_and_both_are_named(
        self, store: Store, kind: str, value: str, said: str
    ) -> None:
        mine = replace(made("n1", 1), **{kind: value})
        store.add(mine)
        assert store.get("n1") == mine
        line = f"{said} belongs to node n1; node n2 cannot claim it too"
        with pytest.raises(Conflict, match=line):
            store.add(replace(made("n2", 2), **{kind: value}))
        store.add(made("n2", 2))
        with pytest.raises(Conflict, match=line):
            store.update("n2", NodeChange(**{kind: value}))
        with pytest.raises(Conflict, match=rf"^F: \[0\]\.{kind}: {line}$"):
            store.import_nodes([replace(made("n2", 2), **{kind: value})], "F")
        store.update("n1", NodeChange(**{kind: ""}))
        store.update("n2", NodeChange(**{kind: value}))

    def test_a_name_has_one_owner(self, store: Store) -> None:
        store.add(made("n1", 1))
        with pytest.raises(Conflict, match="node n1 is there already"):
            store.add(made("n1", 2))

    def test_a_removed_node_gives_its_macs_free(self, store: Store) -> None:
        store.add(made("n1", 1))
        store.remove("n1")
        store.add(made("n2", 1))
        assert [node.name for node in store.list()] == ["n2"]

    def test_who_is_not_there_is_said(self, store: Store) -> None:
        for call in (store.get, store.remove, lambda name: store.update(name, NodeChange())):
            for name in ("n9", "", "n" * 9999, "a/b", "\udc80", "\0", "N1"):
                with pytest.raises(Unknown, match="no node is called"):
                    call(name)

    def test_an_update_changes_what_it_names(self, store: Store) -> None:
        store.add(made("n1", 1, rack="a"))
        after = store.update("n1", NodeChange(profile="local", vars={"k": "v"}))
        assert after == store.get("n1")
        assert (after.profile, after.labels) == ("local", {"rack": "a"})
        assert after.vars == {"hostname": "n1", "k": "v"}


class TestImport:
    def test_it_tells_what_it_did(self, store: Store) -> None:
        store.import_nodes([made("n1", 1), made("n2", 2)])
        done = store.import_nodes([made("n3", 3), made("n2", 2), made("n1", 1, rack="b")])
        assert done == Imported(("n3",), ("n1",), ("n2",))
        assert store.get("n1").labels == {"rack": "b"}

    def test_all_or_nothing(self, store: Store) -> None:
        store.add(made("n1", 1))
        before = store.snapshot()
        line = rf"^F: \[2\]\.macs\[1\]: {mac(1)} belongs to node n1; node n4 cannot claim it too$"
        with pytest.raises(Conflict, match=line):
            store.import_nodes([made("n2", 2), made("n3", 3), made("n4", 4, 1)], "F")
        assert store.snapshot() == before

    def test_identities_may_move_between_the_nodes_of_a_file(self, store: Store) -> None:
        store.import_nodes([replace(made(f"n{n}", n), serial=f"S{n}") for n in (1, 2)])
        moved = [replace(made(f"n{n}", 3 - n), serial=f"S{3 - n}") for n in (1, 2)]
        assert store.import_nodes(moved).changed == ("n1", "n2")
        assert store.list() == moved

    def test_ten_thousand_nodes(self, store: Store) -> None:
        store.import_nodes([made(f"n{n}", n) for n in range(10_000)])
        snapshot = store.snapshot()
        assert len(snapshot.nodes) == 10_000
        found = snapshot.node_of(mac(9_999))
        assert found is not None
        assert found.name == "n9999"

    def test_the_table_has_a_bound(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netboot.store.store.MAX_NODES", 2)
        store.import_nodes([made("n1", 1), made("n2", 2)])
        with pytest.raises(ConfigError, match="there would be 3 nodes; at most 2 fit"):
            store.add(made("n3", 3))


class TestVersion:
    def test_each_change_counts_and_nothing_else_does(self, store: Store) -> None:
        steps = [
            (lambda: store.add(made("n1", 1)), 1),
            (lambda: store.update("n1", NodeChange(profile="local")), 2),
            (lambda: store.update("n1", NodeChange(profile="local")), 2),
            (lambda: store.import_nodes([made("n2", 2)]), 3),
            (lambda: store.import_nodes([made("n2", 2)]), 3),
            (lambda: store.append_events([]), 3),
            (lambda: store.remove("n2"), 4),
        ]
        for change, version in steps:
            change()
            assert store.version() == store.snapshot().version == version

    def test_another_store_sees_it(self, store: Store, database_url: str) -> None:
        with Store(database_url) as other:
            other.add(made("n1", 1))
        assert store.version() == 1


def test_many_writers_of_two_stores_lose_nothing(store: Store, database_url: str) -> None:
    with Store(database_url) as other, ThreadPoolExecutor(8) as threads:
        store.add(made("shared", 60_000))
        jobs = []
        for n in range(60):
            writer = (store, other)[n % 2]
            jobs.append(threads.submit(writer.add, made(f"n{n}", n)))
            jobs.append(threads.submit(writer.update, "shared", NodeChange(vars={f"v{n}": "x"})))
        for job in jobs:
            job.result(timeout=30)
    assert len(store.list()) == 61
    assert len(store.get("shared").vars) == 61
    assert store.version() == 121


def test_the_migrations_make_what_the_code_describes(store: Store) -> None:
    with store._sure.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


class TestSqlite:
    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        with Store(f"sqlite:///{path}") as opened:
            yield opened

    def test_nobody_else_may_look_in(self, store: Store, path: Path) -> None:
        store.add(made("n1", 1))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o710
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["netboot.db", "netboot.db-shm", "netboot.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    def test_a_file_open_to_others_is_closed_to_them(self, path: Path) -> None:
        path.parent.mkdir()
        path.touch(0o644)
        Store(f"sqlite:///{path}").close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize(("engine", "level"), [("_sure", 2), ("_quick", 1)])
    def test_every_connection_is_safe(self, store: Store, engine: str, level: int) -> None:
        with getattr(store, engine).connect() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
            }
        assert settings == {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "synchronous": level,
            "busy_timeout": 5000,
        }

    def test_the_code_knows_every_migration(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        scripts = ScriptDirectory.from_config(config)
        assert scripts.get_current_head() == HEAD
        assert {script.revision for script in scripts.walk_revisions()} == set(REVISIONS)

    def test_a_database_of_the_first_schema_is_brought_up(self, path: Path) -> None:
        engine = engine_for(path, "FULL")
        path.parent.mkdir()
        with engine.execution_options(writes=True).begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            for statement in (
                """INSERT INTO node (name, profile, vars) VALUES ('n1', 'local', '{"k": "v"}')""",
                "INSERT INTO mac (mac, node, position) VALUES ('52:54:00:00:00:01', 'n1', 0)",
                "INSERT INTO label (node, key, value) VALUES ('n1', 'rack', 'a')",
                (
                    "INSERT INTO event (time, kind, node, detail, data)"
                    " VALUES (1, 'offer', 'n1', '', '{}')"
                ),
                "UPDATE meta SET value = 7 WHERE name = 'version'",
            ):
                connection.exec_driver_sql(statement)
        engine.dispose()
        with Store(f"sqlite:///{path}") as store:
            assert store.list() == [Node("n1", (mac(1),), "local", {"rack": "a"}, {"k": "v"})]
            assert [record.event.node for record in store.timeline("n1")] == ["n1"]
            assert store.version() == 7
            store.remove("n1")
            store.add(made("n2", 1))
            with store._sure.connect() as connection:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_a_newer_database_is_refused_and_left_alone(self, path: Path) -> None:
        Store(f"sqlite:///{path}").close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        before = path.read_bytes()
        with pytest.raises(ConfigError) as caught:
            Store(f"sqlite:///{path}")
        assert str(caught.value) == (
            f"{path}: was written by a newer netboot (schema 9999; this one knows {HEAD}): "
            "upgrade netboot, or restore a backup"
        )
        assert path.read_bytes() == before

    def test_somebody_elses_database_is_refused(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
        with pytest.raises(ConfigError, match="is a database, but not one of netboot's"):
            Store(f"sqlite:///{path}")

    def test_what_is_no_database_is_refused(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("hello " * 1000)
        with pytest.raises(OperationError, match="file is not a database"):
            Store(f"sqlite:///{path}")
        assert path.read_text() == "hello " * 1000

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "x"])
    def test_other_urls_are_refused(self, url: str) -> None:
        with pytest.raises(ConfigError, match="must be a SQLite URL such as sqlite:////var"):
            Store(url)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(
            OperationError, match=r"cannot be opened: (Not a directory|File exists)"
        ):
            Store(f"sqlite:///{tmp_path}/file/x/netboot.db")

    def test_an_upgrade_that_breaks_off_leaves_nothing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "migrate", new_stores.migrate)
        monkeypatch.setattr("alembic.op.bulk_insert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Store(f"sqlite:///{path}")
        engine = engine_for(path, "FULL")
        with engine.connect() as connection:
            tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        engine.dispose()
        assert tables == 0
