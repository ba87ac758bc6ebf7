"""A store of before there were jobs: every node stays where it was, and can have a job."""

from pathlib import Path

import pytest

from netboot.events import Event, Kind
from netboot.job import JobKind
from netboot.lifecycle import Cause
from netboot.model import Mac, Node, State
from netboot.store.database import engines, migrate, transaction
from netboot.store.store import Store

NODES = {"n1": (State.ENROLLED, 1), "n2": (State.INSTALLING, 2), "n3": (State.INSTALLED, 3)}


def mac(name: str) -> Mac:
    return Mac(f"52:54:00:00:00:0{name[-1]}")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A SQLite store as schema 0005 has it."""
    url = f"sqlite:///{tmp_path}/data/netboot.db"
    sure, quick = engines(url)
    with transaction(sure, writes=True) as connection:
        migrate(connection, "0005")
        for name, (state, installation) in NODES.items():
            connection.exec_driver_sql(
                "INSERT INTO node (name, profile, vars, state, installation)"
                " VALUES (?, 'debian-12', '{}', ?, ?)",
                (name, state.value, installation),
            )
            connection.exec_driver_sql(
                "INSERT INTO mac (mac, node, position) VALUES (?, ?, 0)", (mac(name), name)
            )
        connection.exec_driver_sql(
            "INSERT INTO event (time, kind, mac, node, detail, data) VALUES (?, ?, ?, ?, ?, ?)",
            (5.0, "script", mac("n2"), "n2", "→ debian-12", '{"installation": 2}'),
        )
        connection.exec_driver_sql("UPDATE meta SET value = 1 WHERE name = 'events'")
    sure.dispose()
    quick.dispose()
    return url


def test_nodes_and_timelines_are_as_they_were(url: str) -> None:
    with Store(url) as store:
        assert store.list() == [
            Node(name, (mac(name),), "debian-12", state=state, installation=installation)
            for name, (state, installation) in NODES.items()
        ]
        assert [record.event.detail for record in store.timeline("n2")] == ["→ debian-12"]
        assert store.jobs() == []
        assert store.next_due(0.0) is None


def test_an_installation_that_was_under_way_ends_as_it_would_have(url: str) -> None:
    with Store(url) as store:
        store.append_events([Event(Kind.INSTALLED, mac("n2"), "n2", "", {"installation": 2})])
        assert store.get("n2").state is State.INSTALLED


@pytest.mark.parametrize(
    ("name", "installation", "state"),
    [("n1", 1, State.INSTALLING), ("n2", 2, State.INSTALLING), ("n3", 4, State.REINSTALLING)],
)
def test_each_can_have_a_job(url: str, name: str, installation: int, state: State) -> None:
    with Store(url) as store:
        job = store.submit(name, JobKind.INSTALL, "alice", {"reinstall": True})
        assert (job.installation, store.get(name).state) == (installation, state)


def test_where_each_came_from_is_not_known_so_nothing_is_erased_by_a_way_back(url: str) -> None:
    with Store(url) as store:
        store.change_state(["n1", "n3"], Cause.MAINTAIN, "alice")
        back = store.change_state(["n1", "n3"], Cause.RESUME, "alice")
        assert [node.state for node in back] == [State.ENROLLED, State.INSTALLED]
