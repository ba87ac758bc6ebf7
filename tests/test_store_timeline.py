"""The store's timeline: order, who sees what, nothing twice, and the bounds."""

from collections.abc import Iterator

import pytest

from netboot.events import Event, Kind
from netboot.model import Mac, Node
from netboot.store.retention import Retention
from netboot.store.shapes import Unknown
from netboot.store.store import Store
from netboot.store.timeline import MAX_ORIGINS

M1, M2, M3 = (Mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 3))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        yield opened


def event(mac: Mac | None, detail: str = "", node: str | None = None) -> Event:
    return Event(Kind.OFFER, mac, node, detail)


def details(store: Store, who: str, after: int | None = None, limit: int = 1000) -> list[str]:
    return [record.event.detail for record in store.timeline(who, after, limit)]


def test_an_event_comes_back_as_it_was(store: Store) -> None:
    given = Event(Kind.STALLED, M1, "n1", "no 4011 request", {"seconds": 60, "port": "4011"}, 12.5)
    store.append_events([given])
    assert [record.event for record in store.timeline(M1)] == [given]


def test_a_name_stands_for_its_events_and_its_macs(store: Store) -> None:
    store.append_events([event(M1, "before it was registered"), event(M2, "another's")])
    store.add(Node("n1", (M1, M3), "local"))
    store.append_events([event(M3, "its second address", "n1"), event(None, "no address", "n1")])
    registered = "discovered → enrolled: registered"
    own = ["before it was registered", registered, "its second address", "no address"]
    assert details(store, "n1") == own
    assert details(store, "52-54-00-00-00-03") == ["its second address"]
    store.remove("n1")
    left = [*own[1:], "enrolled → discovered: removed"]
    assert details(store, "n1") == left


def test_nobody_has_no_timeline(store: Store) -> None:
    assert details(store, M1) == []
    with pytest.raises(Unknown, match='no node is called "n9"'):
        store.timeline("n9")


def test_lost_events_show_in_every_timeline(store: Store) -> None:
    lost = Event(Kind.LOST, None, None, "7 events were dropped")
    store.append_events([event(M1, "a"), lost, event(M1, "b")])
    assert details(store, M1) == ["a", "7 events were dropped", "b"]


def test_the_newest_or_what_came_after(store: Store) -> None:
    store.append_events([event(M1, str(n)) for n in range(10)])
    assert details(store, M1, limit=3) == ["7", "8", "9"]
    third = store.timeline(M1)[2].id
    assert details(store, M1, after=third, limit=2) == ["3", "4"]
    assert details(store, M1, after=store.timeline(M1)[-1].id) == []


class TestNumbered:
    def test_what_was_kept_is_not_kept_again(self, store: Store) -> None:
        first = [(n, event(M1, str(n))) for n in (1, 2, 3)]
        assert store.append_numbered("run", first) == 3
        assert store.append_numbered("run", [*first, (4, event(M1, "4"))]) == 4
        assert store.append_numbered("run", first) == 4
        assert details(store, M1) == ["1", "2", "3", "4"]

    def test_each_run_has_its_own_numbers(self, store: Store) -> None:
        store.append_numbered("run", [(1, event(M1, "a"))])
        store.append_numbered("next", [(1, event(M1, "b"))])
        assert details(store, M1) == ["a", "b"]
        assert (store.last_seq("run"), store.last_seq("never seen")) == (1, 0)

    def test_the_runs_remembered_have_a_bound(self, store: Store) -> None:
        for n in range(MAX_ORIGINS + 2):
            store.append_numbered(f"run {n}", [(1, event(M1))])
        assert [store.last_seq(f"run {n}") for n in (0, 1, 2)] == [0, 0, 1]


class TestRetention:
    @pytest.fixture
    def store(self, database_url: str) -> Iterator[Store]:
        keep = Retention(total=20, machine=5, strangers=8, slack=1)
        with Store(database_url, keep) as opened:
            yield opened

    def test_of_one_machine_the_oldest_go(self, store: Store) -> None:
        for n in range(12):
            store.append_events([event(M1, str(n), "n1"), event(M2, "other", "n2")])
        assert details(store, M1) == ["7", "8", "9", "10", "11"]

    def test_of_all_together_the_oldest_go(self, store: Store) -> None:
        for n in range(10):
            mac = Mac(f"52:54:00:00:01:{n:02x}")
            store.append_events([event(mac, "x", f"n{n}")] * 4)
        kept = [len(details(store, f"52:54:00:00:01:{n:02x}")) for n in range(10)]
        assert kept == [0, 0, 0, 0, 0, 4, 4, 4, 4, 4]

    def test_strangers_cannot_wash_out_the_registered(self, store: Store) -> None:
        store.append_events([event(M1, "mine", "n1")])
        for n in range(100):
            store.append_events([event(Mac(f"52:54:00:00:02:{n:02x}"), "noise")])
        assert details(store, M1) == ["mine"]
        assert details(store, "52:54:00:00:02:5b") == []
        assert details(store, "52:54:00:00:02:5c") == ["noise"]

    def test_a_number_is_never_used_again(self, store: Store) -> None:
        store.append_events([event(M1)] * 30)
        last = store.timeline(M1)[-1].id
        for _ in range(30):
            store.append_events([event(M2, node="n2")])
        store.append_events([event(M1, "new")])
        assert details(store, M1, after=last) == ["new"]


class TestSlack:
    """Between two looks at the bounds there are ``slack`` more events at most, whoever has them."""

    KEEP = Retention(total=30, machine=5, strangers=8, log=30, machine_log=7, slack=10)

    def most(self, store: Store, who: Mac, node: str | None, kind: Kind = Kind.OFFER) -> int:
        """How many events of a machine there were at most, while many more came."""
        seen = 0
        for n in range(20):
            store.append_events([Event(kind, who, node, str(n))] * (1 + n % 4))
            seen = max(seen, len(store.timeline(who, log=True)))
        return seen

    @pytest.fixture
    def store(self, database_url: str) -> Iterator[Store]:
        with Store(database_url, self.KEEP) as opened:
            yield opened

    @pytest.mark.parametrize(
        ("node", "kind", "keep"),
        [("n1", Kind.OFFER, 5), (None, Kind.OFFER, 5), ("n1", Kind.SYSLOG, 7)],
    )
    def test_of_one_machine(self, store: Store, node: str | None, kind: Kind, keep: int) -> None:
        assert keep < self.most(store, M1, node, kind) < keep + self.KEEP.slack

    def test_a_program_that_was_started_again_looks_as_often(self, database_url: str) -> None:
        for n in range(16):
            with Store(database_url, self.KEEP) as store:
                store.append_events([event(M1, str(n), "n1")])
                assert len(store.timeline(M1)) < self.KEEP.machine + self.KEEP.slack

    def test_of_strangers_and_of_all(self, store: Store) -> None:
        for n in range(40):
            mac = Mac(f"52:54:00:00:02:{n:02x}")
            store.append_events([event(mac), event(mac, node=f"n{n}"), event(M2, node="n2")])
            strangers = sum(found.event.node is None for found in store.events(0, 1000))
            assert strangers < self.KEEP.strangers + self.KEEP.slack
            assert len(store.events(0, 1000)) < self.KEEP.total + self.KEEP.slack
