"""Two control programs on one PostgreSQL: what one is told the other knows, through restarts."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from netboot.bmc.credentials import KEY_FILE
from netboot.control import listener
from netboot.events import Event, Kind
from netboot.model import Mac, Node
from netboot.store.database import CHANNEL, Topic
from netboot.store.store import Store
from tests.postgres import Cluster, cluster_running
from tests.replica_site import Boot, Replica
from tests.waiting import await_

M1 = Mac("52:54:00:00:00:01")
N1 = {"name": "n1", "macs": [M1], "profile": "local"}
OFFER = {"kind": "offer", "mac": M1, "node": "n1", "time": 1.0}
HELD = 25
"""Seconds a question is held, unless it is woken."""


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    with cluster_running() as made:
        yield made


@pytest.fixture
def replicas(tmp_path: Path, postgresql_url: str) -> Iterator[tuple[Replica, Replica]]:
    with Replica(tmp_path / "a", postgresql_url) as a, Replica(tmp_path / "b", postgresql_url) as b:
        yield a, b


class TestTold:
    """By PostgreSQL, without looking."""

    async def heard(self, url: str, change: object, wanted: set[Topic]) -> set[Topic]:
        told: list[Topic] = []
        news = asyncio.Event()

        def tell(topic: Topic) -> None:
            told.append(topic)
            news.set()

        calls = {topic: lambda topic=topic: tell(topic) for topic in Topic}
        listening = asyncio.create_task(listener.listen(url, None, calls))
        try:
            async with asyncio.timeout(60):
                while not set(Topic) <= set(told):  # each once at the beginning
                    await news.wait()
                    news.clear()
                told.clear()
                await asyncio.to_thread(change)  # type: ignore[arg-type]
                while not wanted <= set(told):
                    await news.wait()
                    news.clear()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return set(told)

    def test_of_a_changed_node_and_of_events(self, postgresql_url: str) -> None:
        with Store(postgresql_url) as store:
            store.add(Node("n1", (M1,), "local"))

            def change() -> None:
                store.append_events([Event(Kind.OFFER, M1, "n1")])

            assert asyncio.run(self.heard(postgresql_url, change, {Topic.EVENTS})) == {Topic.EVENTS}

            def remove() -> None:
                store.remove("n1")

            found = asyncio.run(self.heard(postgresql_url, remove, {Topic.NODES}))
            assert Topic.NODES in found

    def test_what_a_replica_of_another_version_tells_of_is_left_to_it(
        self, postgresql_url: str
    ) -> None:
        with Store(postgresql_url) as store:

            def change() -> None:
                with psycopg.connect(postgresql_url) as connection:
                    connection.execute("SELECT pg_notify(%s, 'weather')", [CHANNEL])
                store.append_events([Event(Kind.OFFER, M1, None)])

            assert asyncio.run(self.heard(postgresql_url, change, {Topic.EVENTS})) == {Topic.EVENTS}

    def test_that_everything_may_have_changed_while_nothing_could_be_heard(
        self, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "RETRY", 0.05)
        url = own_cluster.create("heard", "template0")
        Store(url).close()

        def restart() -> None:
            own_cluster.stop()
            own_cluster.start()

        assert asyncio.run(self.heard(url, restart, set(Topic))) == set(Topic)


def test_a_change_told_to_one_replica_is_in_the_snapshot_of_the_other(
    replicas: tuple[Replica, Replica],
) -> None:
    a, b = replicas
    with Boot(b, "run") as boot, a.client() as client:
        assert boot.snapshot().nodes == ()
        assert client.post("nodes", json=N1).status_code == 201
        assert boot.snapshot().node_of(M1) == Node("n1", (M1,), "local")
    with b.client() as client:
        refused = client.post("nodes", json=N1 | {"name": "n2"})
        assert refused.status_code == 409
        assert "belongs to node n1; node n2 cannot claim it too" in refused.json()["detail"]


def test_events_brought_to_one_replica_wake_who_waits_at_the_other(
    replicas: tuple[Replica, Replica],
) -> None:
    a, b = replicas
    with a.client() as client:
        client.post("nodes", json=N1)
        last = client.get("timeline/n1").json()["events"][-1]["id"]
    with Boot(a, "run") as boot, b.client() as client:
        assert client.get(f"timeline/n1?after={last}").json()["events"] == []
        boot.snapshot()
        began = time.monotonic()
        boot.send(1, OFFER)
        found = client.get(f"timeline/n1?after={last}&wait={HELD}").json()["events"]
        assert [one["event"]["kind"] for one in found] == ["offer"]
        assert time.monotonic() - began < HELD


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_postgresql_restarted_while_serving_is_said_once_and_loses_nothing(
    own_cluster: Cluster, tmp_path: Path, how: signal.Signals
) -> None:
    url = own_cluster.create("served", "template0")
    with Replica(tmp_path / "a", url) as a, Boot(a, "run") as boot, a.client() as client:
        client.post("nodes", json=N1)
        last = client.get("timeline/n1").json()["events"][-1]["id"]
        while boot.snapshot().node_of(M1) is None:
            pass
        boot.send(1, OFFER)
        boot.await_ack(1)
        own_cluster.stop(how)
        boot.send(2, OFFER)
        await_(lambda: "events cannot be kept" in a.log.read_text(), "that it is said")
        await_(lambda: "the nodes cannot be read" in a.log.read_text(), "that it is said")
        answer = client.get("nodes")
        assert answer.status_code == 503
        assert "postgresql://" in answer.json()["detail"]
        own_cluster.start()
        boot.await_ack(2)
        events = client.get(f"timeline/n1?after={last}").json()["events"]
        assert [one["event"]["kind"] for one in events] == ["offer", "offer"]
        client.post("nodes", json=N1 | {"name": "n2", "macs": ["52:54:00:00:00:02"]})
        assert len(boot.snapshot().nodes) == 2
        await_(lambda: "the nodes can be read again" in a.log.read_text(), "that it is over")
        said = [line for line in a.said() if "nodes c" in line or "events" in line]
        assert len(said) == 4, said


def test_a_replica_that_starts_before_its_database_waits_for_it(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    url = own_cluster.create("late", "template0")
    own_cluster.stop()
    a = Replica(tmp_path / "a", url)
    a.begin()
    try:
        await_(lambda: "tried again every" in a.log.read_text(), "that it is said")
        own_cluster.start()
        a.await_answer()
        with a.client() as client:
            assert client.get("nodes").json()["nodes"] == []
        assert sum("tried again every" in line for line in a.said()) == 1
    finally:
        a.kill()


def test_a_replica_without_the_key_of_the_others_says_so(
    replicas: tuple[Replica, Replica],
) -> None:
    a, b = replicas
    bmc = {"address": "redfish://bmc1", "user": "root", "password": "plain:5ecret"}
    with a.client() as client:
        assert client.post("nodes", json=N1 | {"bmc": bmc}).status_code == 201
    line = "bmc.key does not open the BMC passwords of n1: put the one there that sealed them"
    for replica in (a, b):
        replica.kill()
        replica.start()
    assert line not in a.log.read_text()
    assert line in b.log.read_text()
    b.kill()
    (b.data / KEY_FILE).write_bytes(bytes(32))
    (b.data / KEY_FILE).chmod(0o600)
    b.log.write_text("")
    b.start()
    assert line in b.log.read_text()
