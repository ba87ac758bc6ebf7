"""Lines of installers' logs in the store: beside the events, never instead of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from netboot.events import Event, Kind
from netboot.model import Mac, Node
from netboot.store import schema
from netboot.store.database import transaction
from netboot.store.retention import Retention
from netboot.store.store import Store

M1, M2 = (Mac(f"52:54:00:00:00:0{n}") for n in (1, 2))
KEEP = Retention(total=20, machine=5, strangers=8, log=12, machine_log=7, slack=1)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url, KEEP) as opened:
        opened.add(Node("n1", (M1,), "local"))
        yield opened


def line(mac: Mac = M1, detail: str = "in-target: x", **data: str) -> Event:
    severity = {"severity": "info", "program": "in-target"}
    return Event(Kind.SYSLOG, mac, "n1" if mac == M1 else "n2", detail, {**severity, **data})


def offer(detail: str, mac: Mac = M1) -> Event:
    return Event(Kind.OFFER, mac, "n1" if mac == M1 else "n2", detail)


def details(store: Store, who: str = "n1", *, log: bool = True, limit: int = 100) -> list[str]:
    records = store.timeline(who, limit=limit, log=log)
    return [record.event.detail for record in records if record.event.kind is not Kind.STATE]


def counted(store: Store, *, log: bool) -> int:
    """How many lines of logs are kept, or other events."""
    found = store.events(0, 1000)
    return sum((record.event.kind is Kind.SYSLOG) is log for record in found)


@pytest.mark.parametrize("who", ["n1", M1])
def test_what_warns_or_tells_of_a_stage_is_always_shown_and_the_rest_when_asked_for(
    store: Store, who: str
) -> None:
    store.append_events(
        [
            offer("a"),
            line(detail="chatter"),
            line(detail="hot", severity="warning"),
            line(detail="late", stage="late"),
            offer("b"),
        ]
    )
    assert details(store, who, log=False) == ["a", "hot", "late", "b"]
    assert details(store, who) == ["a", "chatter", "hot", "late", "b"]
    assert details(store, who, log=False, limit=2) == ["late", "b"]


def test_chatter_takes_no_place_among_the_newest(store: Store) -> None:
    store.append_events([offer("a"), *[line()] * 6])
    assert details(store, log=False, limit=1) == ["a"]


def test_no_log_washes_out_what_a_boot_did(store: Store) -> None:
    store.append_events([offer("a"), offer("b")])
    for _ in range(10):
        store.append_events([line()] * 10)
    assert details(store, log=False) == ["a", "b"]
    assert len(details(store)) == 2 + KEEP.machine_log


def test_no_boots_wash_out_a_log(store: Store) -> None:
    store.append_events([line(detail="kept", mac=M2)])
    for n in range(KEEP.machine + 3):
        store.append_events([offer(str(n), M2)])
    assert details(store, M2) == ["kept", "3", "4", "5", "6", "7"]


def test_the_lines_of_all_have_a_bound(store: Store) -> None:
    for n in range(4):
        store.append_events([line(Mac(f"52:54:00:00:01:{n:02x}"))] * 5)
    kept = [len(store.timeline(f"52:54:00:00:01:{n:02x}", log=True)) for n in range(4)]
    assert kept == [0, 2, 5, 5]
    assert counted(store, log=True) == KEEP.log


def test_lines_whose_boot_is_gone_go_with_it(store: Store) -> None:
    store.append_events([line(M2, "old")])
    for n in range(KEEP.total + 5):
        store.append_events([offer("x", Mac(f"52:54:00:00:02:{n:02x}"))])
    assert details(store, M2) == []
    assert counted(store, log=True) == 0
    assert counted(store, log=False) == KEEP.total


def test_what_a_node_did_is_found_behind_its_log(store: Store) -> None:
    store.append_events([offer("sign"), *[line()] * 6])
    found = store.heard("n1", [Kind.OFFER], 0)
    assert found is not None
    assert found.detail == "sign"


@pytest.mark.parametrize(
    ("bound", "index"),
    [("kind <> 'syslog'", "event_of_a_boot"), ("kind = 'syslog'", "event_of_a_log")],
)
def test_each_bound_is_found_by_an_index(tmp_path: Path, bound: str, index: str) -> None:
    # of SQLite, whose plan depends on no statistics
    query = sa.select(schema.event.c.id).where(schema.event.c.mac == M1, sa.text(bound))
    explained = query.order_by(schema.event.c.id.desc())
    with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
        compiled = explained.compile(store._quick, compile_kwargs={"literal_binds": True})
        with transaction(store._quick) as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
            assert index in str(plan.all())
