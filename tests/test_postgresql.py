"""What several replicas share: one PostgreSQL, and how a program gets to it and stays with it."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from netboot.doctor import records
from netboot.errors import ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.model import Mac, Node
from netboot.store import postgresql, schema, timeline
from netboot.store.database import transaction
from netboot.store.retention import Retention
from netboot.store.shapes import Conflict, Unknown
from netboot.store.store import Store
from netboot.store.trouble import Away, NoRoom
from tests.postgres import USER, Cluster, cluster_running
from tests.waiting import await_

M1 = Mac("52:54:00:00:00:01")


def node(name: str, last: int) -> Node:
    return Node(name, (Mac(f"52:54:00:00:00:{last:02x}"),), "local")


def event(detail: str) -> Event:
    return Event(Kind.OFFER, M1, None, detail)


@pytest.fixture
def stores(postgresql_url: str) -> Iterator[tuple[Store, Store]]:
    """The stores of two replicas."""
    with Store(postgresql_url) as one, Store(postgresql_url) as other:
        yield one, other


def waiting(url: str) -> int:
    """How many transactions of a database wait for the writers' lock."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


class TestWriters:
    def test_of_two_nodes_that_claim_one_mac_at_once_the_second_is_told_of_the_first(
        self, stores: tuple[Store, Store]
    ) -> None:
        with ThreadPoolExecutor(16) as threads:
            claims = [
                threads.submit(stores[n % 2].add, Node(f"n{n}", (M1,), "local")) for n in range(16)
            ]
        errors = [claim.exception() for claim in claims]
        [owner] = [n for n, error in enumerate(errors) if error is None]
        for n, error in enumerate(errors):
            if n != owner:
                assert isinstance(error, Conflict)
                line = f"{M1} belongs to node n{owner}; node n{n} cannot claim it too"
                assert line in str(error)
        assert [found.name for found in stores[0].list()] == [f"n{owner}"]

    def test_a_follower_misses_nothing_that_is_committed_later(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        one, other = stores
        with ThreadPoolExecutor() as threads:
            with transaction(one._quick, writes=True) as connection:
                timeline.append(connection, [event("begun first")], Retention())
                later = threads.submit(other.append_events, [event("begun second")])
                await_(lambda: waiting(postgresql_url) == 1, "the second to wait")
                assert other.timeline(M1) == []
            later.result(timeout=60)
        first, second = other.timeline(M1)
        assert (first.event.detail, second.event.detail) == ("begun first", "begun second")
        assert first.id < second.id

    def test_a_follower_sees_every_event_of_many_writers_in_the_order_of_their_numbers(
        self, stores: tuple[Store, Store]
    ) -> None:
        count, seen, after = 60, [], 0
        with ThreadPoolExecutor(6) as threads:
            jobs = [
                threads.submit(stores[n % 2].append_events, [event(str(n)), event(str(n))])
                for n in range(count)
            ]
            while len(seen) < 2 * count and not any(j.done() and j.exception() for j in jobs):
                for record in stores[0].timeline(M1, after):
                    seen.append(record.event.detail)
                    after = record.id
        assert sorted(seen) == sorted(str(n) for n in range(count) for _ in range(2))

    def test_a_replica_that_stops_in_mid_transaction_does_not_stop_the_others(
        self, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, postgresql_url: str
    ) -> None:
        monkeypatch.setattr(postgresql, "IDLE_IN_TRANSACTION", 1)
        change = sa.text("UPDATE meta SET value = value + 9 WHERE name = 'version'")

        def stop_in_the_middle(stopped: Store) -> None:
            with transaction(stopped._sure, writes=True) as connection:
                connection.execute(change)
                stores[0].add(node("n1", 1))  # as soon as the server has cut the stopped one off
                connection.execute(change)

        with Store(postgresql_url) as stopped:
            with pytest.raises(Away, match="idle-in-transaction"):
                stop_in_the_middle(stopped)
            assert stopped.version() == 1


class TestReading:
    def test_a_snapshot_is_of_one_moment(self, stores: tuple[Store, Store]) -> None:
        one, other = stores
        one.add(node("n1", 1))
        with transaction(one._sure) as connection:
            before = connection.execute(sa.text("SELECT value FROM meta")).all()
            other.add(node("n2", 2))
            assert connection.execute(sa.text("SELECT count(*) FROM node")).scalar() == 1
            assert connection.execute(sa.text("SELECT value FROM meta")).all() == before

    def test_what_text_cannot_hold_is_written_as_an_escape(self, postgresql_url: str) -> None:
        given = Event(Kind.OFFER, M1, None, "a\0b\udcffc", {"path": "x\0y\udcff"})
        with Store(postgresql_url) as store:
            store.append_events([given])
            [record] = store.timeline(M1)
        assert record.event.detail == "a\\x00b\\udcffc"
        assert record.event.data == given.data

    def test_the_largest_numbers_people_may_ask_for_are_asked_for(
        self, postgresql_url: str
    ) -> None:
        largest = 2**63 - 1
        with Store(postgresql_url) as store:
            with pytest.raises(Unknown, match=f"there is no job {largest}"):
                store.job(largest)
            assert store.jobs(after=largest) == []
            assert store.timeline(M1, largest) == []
            assert store.audit(after=largest) == []
            store.append_events([Event(Kind.INSTALLED, M1, "n1", "", {"installation": largest})])

    def test_names_are_sorted_by_their_bytes_whatever_the_server_s_language(
        self, cluster: Cluster
    ) -> None:
        name = "sorted"
        cluster.sql(
            f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'"
        )
        names = ["n-2", "n10", "n2", "n3-1", "na"]
        with Store(cluster.url(name)) as store:
            store.import_nodes([node(each, at) for at, each in enumerate(reversed(names))])
            assert [each.name for each in store.list()] == names
        cluster.sql(f"DROP DATABASE {name}")


class TestOpening:
    def test_replicas_that_start_together_make_the_tables_once(self, cluster: Cluster) -> None:
        url = cluster.create("fresh", "template0")
        with ThreadPoolExecutor(4) as threads:
            opened = [threads.submit(Store, url) for _ in range(4)]
            for one in opened:
                with one.result(timeout=60) as store:
                    assert store.version() == 0
        cluster.sql("DROP DATABASE fresh")

    def test_somebody_else_s_database_is_refused(self, cluster: Cluster) -> None:
        url = cluster.create("others", "template0")
        cluster.sql("CREATE TABLE t (x int)", "others")
        with pytest.raises(ConfigError, match="is a database, but not one of netboot's"):
            Store(url)
        cluster.sql("DROP DATABASE others")

    def test_an_encoding_that_cannot_keep_any_text_is_refused(self, cluster: Cluster) -> None:
        cluster.sql("CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        with pytest.raises(ConfigError, match="keeps text as LATIN1; make it anew with ENCODING"):
            Store(cluster.url("old"))
        cluster.sql("DROP DATABASE old")

    def test_a_server_too_old_is_refused(
        self, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "OLDEST", 99)
        with pytest.raises(ConfigError, match=r"is PostgreSQL \d+; at least 99 is needed"):
            Store(postgresql_url)

    def test_the_password_is_the_first_line_of_its_file(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        secret, path = "two words ' and a \\ backslash", tmp_path / "password"
        url = cluster.guarded("guarded", secret)
        for written, said in ((None, "no password supplied"), ("wrong\n", "password auth")):
            if written is not None:
                path.write_text(written)
            with pytest.raises(Away, match=said):
                Store(url, password_file=path if written else None)
        path.write_text(f"{secret}\nanother line\n")
        with Store(url, password_file=path) as store:
            assert secret not in repr(store._sure.url)
            path.write_text("changed\n")
            store._sure.dispose()
            with pytest.raises(Away, match="password auth"):
                store.version()

    def test_without_one_libpq_looks_where_it_always_does(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = cluster.guarded("passfile", "5ecret")
        path = tmp_path / "pgpass"
        path.write_text("*:*:*:passfile:5ecret\n")
        path.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(path))
        with Store(url) as store:
            assert store.list() == []

    def test_a_password_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        missing = tmp_path / "missing"
        line = rf"^server.database_password_file: {missing} cannot be read: No such file"
        with pytest.raises(OperationError, match=line):
            Store("postgresql://db/netboot", password_file=missing)

    def test_a_server_that_is_not_there_is_one_line(self, tmp_path: Path) -> None:
        url = f"postgresql://{USER}@/netboot?host={tmp_path}"
        with pytest.raises(Away) as caught:
            Store(url)
        assert str(caught.value).startswith(f"postgresql://{USER}@/netboot?host=")
        assert "\n" not in str(caught.value)
        assert "No such file or directory" in str(caught.value)

    def test_a_url_libpq_does_not_know_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r'invalid URI query parameter: "colour"'):
            Store("postgresql://db/netboot?colour=red")


def test_a_server_that_was_restarted_is_found_again_without_an_error() -> None:
    with cluster_running() as cluster, Store(cluster.create("kept", "template0")) as store:
        store.add(node("n1", 1))
        for how in (signal.SIGINT, signal.SIGQUIT):
            cluster.stop(how)
            with pytest.raises(Away):
                store.list()
            cluster.start()
            assert [found.name for found in store.list()] == ["n1"]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (psycopg.errors.DiskFull, NoRoom, "what was there is kept"),
        (psycopg.errors.LockNotAvailable, OperationError, "another program keeps it from being"),
        (psycopg.errors.AdminShutdown, Away, ""),
        (psycopg.errors.CannotConnectNow, Away, ""),
        (psycopg.errors.TooManyConnections, Away, ""),
        (psycopg.errors.InsufficientPrivilege, OperationError, ""),
    ],
)
def test_an_error_says_whether_waiting_helps(
    error: type[psycopg.Error], kind: type[OperationError], said: str
) -> None:
    explained = postgresql.explained(sa.make_url("postgresql://db/netboot"), error("it broke"))
    assert type(explained) is kind
    assert str(explained).startswith("postgresql://db/netboot: ")
    assert "it broke" in str(explained)
    assert said in str(explained)


def test_doctor_reads_it_beside_whoever_serves(
    stores: tuple[Store, Store], postgresql_url: str
) -> None:
    stores[0].add(node("n1", 1))
    stores[0].append_events([Event(Kind.OFFER, M1, "n1", "shown", time=10.0)])
    found = records.read(postgresql_url, 5.0)
    assert [one.name for one in found.nodes] == ["n1"]
    assert "shown" in [one.detail for one in found.events]


def test_no_value_of_a_row_is_in_an_error(stores: tuple[Store, Store]) -> None:
    secret = "5ecret"  # noqa: S105 -- looked for
    label = sa.insert(schema.label).values(node="nobody", key="k", value=secret)
    with (
        pytest.raises(OperationError) as caught,
        transaction(stores[0]._sure, writes=True) as connection,
    ):
        connection.execute(label)
    assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
    assert secret not in str(caught.value)
    assert "nobody" not in str(caught.value)
