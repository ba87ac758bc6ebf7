"""Jobs as the store keeps them: who may ask for what, who has the turn, and what each end is."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from netboot.errors import ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import Cause
from netboot.model import Mac, Node, State
from netboot.store import job_rows, job_shapes
from netboot.store.group_shapes import GroupChange
from netboot.store.job_shapes import Claimed, Fenced, Full, Progress, Starts
from netboot.store.shapes import Conflict, NodeChange, Unknown
from netboot.store.store import Store

NAMES = ("n1", "n2", "n3")
WAITS = Progress("power-on", "its DISCOVER", 10.0, 300.0, 60.0, b"seen")
LEASE = 30.0


def mac(name: str) -> Mac:
    return Mac(f"52:54:00:00:00:0{name[-1]}")


def filled(url: str) -> Store:
    store = Store(url)
    for name in NAMES:
        store.add(Node(name, (mac(name),), "debian-12"))
    return store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with filled(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the nodes in it."""
    path = tmp_path_factory.mktemp("made") / "data" / "netboot.db"
    filled(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def alone(made: Path, tmp_path: Path) -> Iterator[Store]:
    """SQLite's, for what no database decides."""
    copy = shutil.copy(made, tmp_path)
    with Store(f"sqlite:///{copy}") as opened:
        yield opened


def event(name: str, kind: Kind, **data: int) -> Event:
    return Event(kind, mac(name), name, "", data)


def taken(store: Store, owner: str = "a", now: float = 10.0) -> Claimed:
    claimed = store.claim(owner, LEASE, now)
    assert claimed is not None
    return claimed


def lines(store: Store, name: str = "n1") -> list[str]:
    return [record.event.detail for record in store.timeline(name)]


def came(store: Store, name: str = "n1") -> list[str]:
    """What became of a node and its jobs, without its registration."""
    told = []
    for record in store.timeline(name):
        data = record.event.data
        if record.event.kind is Kind.JOB:
            told.append(f"job {data['job']} {data['came']}")
        elif record.event.kind is Kind.STATE:
            told.append(f"{data['from']}→{data['to']}")
    return told[1:]


class TestSubmitted:
    def test_state_row_and_timeline_are_written_together(self, store: Store) -> None:
        version = store.version()
        job = store.submit("n1", JobKind.INSTALL, "alice", {"via": "pxe"}, now=5.0)
        assert job == Job(
            *(1, "n1", JobKind.INSTALL, "alice", JobState.QUEUED),
            *(5.0, 5.0, 5.0),
            asked={"via": "pxe"},
            installation=1,
            since=5.0,
        )
        assert store.job(1) == job
        assert store.memory(1) == b""
        assert store.get("n1").state is State.INSTALLING
        assert store.version() == version + 1
        assert came(store) == ["enrolled→installing", "job 1 queued"]
        assert lines(store)[1:] == [
            "enrolled → installing: installation asked for by alice",
            "install is asked for by alice: job 1",
        ]

    def test_an_unknown_node_has_none(self, alone: Store) -> None:
        for name in ("n9", "../n1", ""):
            with pytest.raises(Unknown, match="no node is called"):
                alone.submit(name, JobKind.POWER, "alice")
        with pytest.raises(Unknown, match="there is no job 7"):
            alone.job(7)

    def test_all_of_them_or_none(self, store: Store) -> None:
        store.submit("n2", JobKind.WIPE, "bob")
        with pytest.raises(Conflict, match=r"node n2 has job 1 \(wipe\), which has not ended"):
            store.submit_all(["n1", "n2", "n3"], JobKind.INSTALL, "alice")
        assert [job.id for job in store.jobs()] == [1]
        assert store.get("n1").state is State.ENROLLED
        jobs = store.submit_all(["n3", "n1", "n3"], JobKind.INSTALL, "alice")
        assert [job.node for job in jobs] == ["n3", "n1"]

    @pytest.mark.parametrize("kind", [JobKind.INSTALL, JobKind.WIPE, JobKind.RESCUE])
    def test_one_that_has_to_do_with_the_disk_at_a_time(self, alone: Store, kind: JobKind) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice")
        with pytest.raises(Conflict, match=r"n1 has job 1 \(install\), .*: netboot job cancel 1"):
            alone.submit("n1", kind, "bob")

    @pytest.mark.parametrize("kind", [JobKind.POWER, JobKind.INSPECT])
    def test_one_that_leaves_the_disk_alone_runs_beside_it(
        self, alone: Store, kind: JobKind
    ) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice")
        beside = alone.submit("n1", kind, "bob")
        assert (beside.installation, alone.get("n1").state) == (0, State.INSTALLING)
        with pytest.raises(Conflict, match=f"n1 has job 2 .{kind}."):
            alone.submit("n1", kind, "bob")

    def test_what_the_state_does_not_allow_is_refused_with_what_it_does(self, alone: Store) -> None:
        alone.change_state(["n1"], Cause.MAINTAIN, "alice")
        for kind in JobKind:
            with pytest.raises(
                Conflict, match=r"somebody works on it \(maintenance\): .*; allowed"
            ):
                alone.submit("n1", kind, "bob")

    def test_an_installed_one_is_erased_only_when_that_is_said(self, alone: Store) -> None:
        alone.update("n1", NodeChange(state="installed"))
        with pytest.raises(Conflict, match="n1 is installed; --reinstall erases it"):
            alone.submit("n1", JobKind.INSTALL, "alice")
        job = alone.submit("n1", JobKind.INSTALL, "alice", {"reinstall": True})
        assert job.installation == alone.get("n1").installation == 2
        assert alone.get("n1").state is State.REINSTALLING

    def test_its_profile_or_that_of_its_group_installs_something(self, alone: Store) -> None:
        with pytest.raises(ConfigError, match="its profile debian-12 installs nothing"):
            alone.submit("n1", JobKind.INSTALL, "alice", installing=["debian-13"])
        alone.set_group("all", GroupChange(labels={"rack": "1"}, profile="debian-13"))
        alone.add(Node("n4", (mac("n4"),), None, {"rack": "1"}))
        assert alone.submit("n4", JobKind.INSTALL, "alice", installing=["debian-13"]).id == 1

    def test_the_same_key_is_the_same_job(self, store: Store) -> None:
        first = store.submit_all(["n1", "n2"], JobKind.INSTALL, "alice", key="k", now=5.0)
        assert store.submit_all(["n1", "n2"], JobKind.INSTALL, "alice", key="k") == first
        claimed = taken(store)
        ended = store.end(claimed, JobState.FAILED, "no power", Cause.FAIL, 11.0)
        assert store.submit("n1", JobKind.INSTALL, "alice", key="k") == ended
        with pytest.raises(Conflict, match="idempotency key: was used for job 1, which asks for"):
            store.submit("n1", JobKind.POWER, "alice", key="k")
        with pytest.raises(ConfigError, match="must have 1 to 191 characters"):
            store.submit("n1", JobKind.POWER, "alice", key="k" * 192)

    def test_so_many_may_wait(self, alone: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(job_rows, "MAX_WAITING", 2)
        alone.submit_all(["n1", "n2"], JobKind.POWER, "alice")
        with pytest.raises(ConfigError, match="2 jobs have not ended; no more fit"):
            alone.submit("n3", JobKind.POWER, "alice")
        alone.cancel(1, "alice")
        alone.submit("n3", JobKind.POWER, "alice")
        with pytest.raises(ConfigError, match="no more fit"):
            alone.retry(1, "alice")

    def test_so_many_are_kept_and_the_oldest_that_ended_go_first(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_rows, "MAX_JOBS", 3)
        waits = store.submit("n1", JobKind.POWER, "alice")
        for _ in range(4):
            store.cancel(store.submit("n2", JobKind.POWER, "alice").id, "alice")
        assert [job.id for job in store.jobs()] == [5, 4, waits.id]


class TestListed:
    def test_newest_first_by_what_is_asked_for(self, store: Store) -> None:
        store.submit_all(NAMES, JobKind.POWER, "alice")
        store.submit("n1", JobKind.INSTALL, "alice")
        store.cancel(2, "alice")
        assert [job.id for job in store.jobs()] == [4, 3, 2, 1]
        assert [job.id for job in store.jobs(limit=2)] == [4, 3]
        assert [job.id for job in store.jobs(after=3)] == [2, 1]
        assert [job.id for job in store.jobs(node="n1")] == [4, 1]
        assert [job.id for job in store.jobs(kind=JobKind.INSTALL)] == [4]
        assert [job.id for job in store.jobs(states=[JobState.CANCELLED])] == [2]
        assert [job.id for job in store.jobs(node="n2", states=[JobState.QUEUED])] == []


class TestTurns:
    def test_the_most_overdue_first_and_each_once(self, store: Store) -> None:
        for name, due in zip(NAMES, (7.0, 5.0, 11.0), strict=True):
            store.submit(name, JobKind.POWER, "alice", now=due)
        assert [taken(store, owner).job.node for owner in "ab"] == ["n2", "n1"]
        assert store.claim("c", LEASE, 10.0) is None
        assert store.next_due(10.0) == 11.0
        assert taken(store, "c", 11.0).job.node == "n3"
        assert store.next_due(12.0) == 10.0 + LEASE

    def test_many_threads_of_two_programs_have_each_once(self, database_url: str) -> None:
        with filled(database_url) as one, Store(database_url) as other:
            for kind in (JobKind.POWER, JobKind.INSPECT, JobKind.INSTALL):
                one.submit_all(NAMES, kind, "alice", now=5.0)

            def take(runner: int) -> list[int]:
                store, mine = (one, other)[runner % 2], []
                while claimed := store.claim(f"runner {runner}", LEASE, 10.0):
                    mine.append(claimed.job.id)
                return mine

            with ThreadPoolExecutor(6) as threads:
                taken_by = list(threads.map(take, range(6)))
        assert sorted(number for mine in taken_by for number in mine) == list(range(1, 10))

    def test_a_claim_is_a_lease_with_a_new_fence(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        job = taken(store).job
        assert (job.state, job.owner, job.fence) == (JobState.ACTIVE, "a", 1)
        assert store.claim("b", LEASE, 39.9) is None
        assert taken(store, "b", 40.0).job.fence == 2

    def test_between_turns_it_is_held_by_nobody_and_waits(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        store.release(taken(store), WAITS, 12.0)
        job = store.job(1)
        assert (job.owner, job.state, job.changed) == (None, JobState.ACTIVE, 12.0)
        assert (
            Progress(job.stage, job.waits_for, job.since, job.deadline, job.due, store.memory(1))
            == WAITS
        )
        assert store.next_due(13.0) == 60.0
        assert store.claim("b", LEASE, 59.9) is None
        assert taken(store, "b", 60.0).memory == b"seen"
        assert lines(store)[-1] == "install: power-on, waits for its DISCOVER"

    def test_the_same_stage_again_is_no_news(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        alone.release(taken(alone), WAITS, 12.0)
        before = lines(alone)
        alone.release(taken(alone, now=60.0), replace(WAITS, waits_for="still"), 61.0)
        assert lines(alone) == before
        assert alone.job(1).waits_for == "still"

    def test_an_intent_is_there_for_whoever_comes_after_a_crash(self, database_url: str) -> None:
        with filled(database_url) as store:
            store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
            store.keep(taken(store), b"about to reset", seconds=LEASE, now=20.0)
        with Store(database_url) as store:
            assert store.claim("b", LEASE, 49.9) is None  # renewed with the intent
            assert taken(store, "b", 50.0).memory == b"about to reset"

    def test_the_leases_of_the_dead_are_given_up(self, store: Store) -> None:
        store.submit_all(["n1", "n2"], JobKind.POWER, "alice", now=5.0)
        taken(store, "dead")
        taken(store, "alive")
        assert store.lock_bmc("bmc", "dead", 60.0, 10.0)
        assert store.lock_bmc("other", "alive", 60.0, 10.0)
        store.forsake("dead")
        assert taken(store, "new").job.node == "n1"
        assert store.claim("new", LEASE, 10.0) is None
        assert store.lock_bmc("bmc", "new", 60.0, 10.0)
        assert not store.lock_bmc("other", "new", 60.0, 10.0)

    def test_a_memory_has_a_bound(self, alone: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netboot.store.turns.MAX_MEMORY", 3)
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(alone)
        alone.keep(claimed, b"abc", seconds=LEASE, now=11.0)
        with pytest.raises(OperationError, match="would have 4 bytes; at most 3 are kept"):
            alone.keep(claimed, b"abcd", seconds=LEASE, now=11.0)
        with pytest.raises(OperationError, match="at most 3"):
            alone.release(claimed, WAITS, 11.0)

    def test_words_are_cut_to_what_is_kept(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "a" * 300, now=5.0)
        store.release(taken(store), replace(WAITS, waits_for="w" * 900), 12.0)
        assert len(store.job(1).waits_for) == job_shapes.MAX_CLAUSE
        ended = store.end(taken(store, now=60.0), JobState.FAILED, "o" * 900, Cause.FAIL, 61.0)
        assert len(ended.outcome) == len(store.get("n1").because) == job_shapes.MAX_CLAUSE


class TestFenced:
    @pytest.fixture
    def late(self, store: Store) -> Claimed:
        """A turn whose lease went to another."""
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        first = taken(store, "a")
        taken(store, "b", 40.0)
        return first

    def test_a_late_write_changes_nothing(self, store: Store, late: Claimed) -> None:
        before = store.job(1), store.memory(1), came(store), store.get("n1")
        with pytest.raises(Fenced):
            store.keep(late, b"late", seconds=LEASE, now=41.0, touches=True)
        with pytest.raises(Fenced):
            store.count_start(late, Starts(9, 9, 60.0), 41.0)
        with pytest.raises(Fenced):
            store.release(late, WAITS, 41.0)
        with pytest.raises(Fenced):
            store.end(late, JobState.FAILED, "late", Cause.FAIL, 41.0)
        assert (store.job(1), store.memory(1), came(store), store.get("n1")) == before
        assert store.starts_full(0, Starts(1, 1, 60.0), 41.0) is None

    def test_nor_does_one_by_the_same_name_after_a_restart(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        before = taken(alone, "a")
        alone.forsake("a")
        with pytest.raises(Fenced):
            alone.keep(before, b"", seconds=LEASE, now=11.0)
        taken(alone, "a", 12.0)
        with pytest.raises(Fenced):
            alone.keep(before, b"", seconds=LEASE, now=13.0)

    def test_a_lease_that_is_over_is_good_until_another_has_it(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(alone)
        alone.release(claimed, WAITS, 1000.0)
        with pytest.raises(Fenced):
            alone.release(claimed, WAITS, 1001.0)


class TestWoken:
    def test_an_event_of_its_machine_makes_the_next_turn_due(self, store: Store) -> None:
        store.submit_all(["n1", "n2"], JobKind.INSTALL, "alice", now=5.0)
        for _ in range(2):
            store.release(taken(store), replace(WAITS, due=9e9), 12.0)
        store.append_numbered("run", [(1, event("n1", Kind.DISCOVER))])
        assert store.claim("b", LEASE, 9e8) is None
        assert taken(store, "b", 8e9).job.node == "n1"
        assert store.claim("b", LEASE, 8e9) is None

    def test_also_one_that_comes_while_a_turn_runs(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(alone)
        alone.append_events([event("n1", Kind.DISCOVER)])
        alone.release(claimed, replace(WAITS, due=9e9), 12.0)
        assert alone.job(1).due == 12.0
        alone.release(taken(alone, now=12.0), replace(WAITS, due=9e9), 13.0)
        assert alone.job(1).due == 9e9

    @pytest.mark.parametrize("kind", [Kind.SYSLOG, Kind.BMC, Kind.CONSOLE, Kind.LOST])
    def test_what_says_nothing_of_its_boot_does_not(self, alone: Store, kind: Kind) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        alone.release(taken(alone), replace(WAITS, due=9e9), 12.0)
        alone.append_events([event("n1", kind), Event(Kind.DISCOVER, mac("n2"), "n2")])
        assert alone.job(1).due == 9e9

    def test_what_somebody_says_of_the_node_does(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        alone.release(taken(alone), replace(WAITS, due=9e9), 12.0)
        alone.update("n1", NodeChange(state="installed"))
        assert alone.job(1).due < 9e9


class TestEnded:
    def test_a_failed_installation_says_why_on_its_node(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        ended = store.end(taken(store), JobState.FAILED, "no DISCOVER", Cause.FAIL, 11.0)
        assert (ended.state, ended.outcome, ended.ended) == (JobState.FAILED, "no DISCOVER", 11.0)
        assert ended == store.job(1)
        node = store.get("n1")
        assert (node.state, node.because) == (State.FAILED, "no DISCOVER")
        assert store.snapshot().nodes[0].because == "no DISCOVER"
        assert lines(store)[-2:] == [
            "installing → failed: failed: no DISCOVER",
            "install failed: no DISCOVER",
        ]
        store.submit("n1", JobKind.INSTALL, "alice")
        assert (store.get("n1").because, store.get("n1").installation) == ("", 2)

    def test_what_ended_is_never_run_again(self, store: Store) -> None:
        store.submit("n1", JobKind.POWER, "alice", now=5.0)
        claimed = taken(store)
        store.end(claimed, JobState.DONE, "on", None, 11.0)
        assert store.claim("b", LEASE, 9e9) is None
        assert store.next_due(12.0) is None
        with pytest.raises(Fenced):
            store.release(claimed, WAITS, 12.0)
        with pytest.raises(Conflict, match="job 1 is done already"):
            store.cancel(1, "alice")

    def test_who_called_home_meanwhile_is_looked_at_again(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(store)
        store.append_events([event("n1", Kind.INSTALLED, installation=1)])
        with pytest.raises(Conflict, match=r"it is installed \(installed\): fail is refused"):
            store.end(claimed, JobState.FAILED, "too slow", Cause.FAIL, 11.0)
        assert store.job(1).owner == "a"
        store.end(claimed, JobState.DONE, "it called home", None, 12.0)
        assert store.get("n1").state is State.INSTALLED

    def test_a_wipe_is_over_with_its_call_home_and_nothing_of_it_counts_later(
        self, alone: Store
    ) -> None:
        job = alone.submit("n1", JobKind.WIPE, "alice", now=5.0)
        assert (job.installation, alone.get("n1").state) == (2, State.WIPING)
        home = event("n1", Kind.INSTALLED, installation=2)
        alone.append_events([home])
        alone.end(taken(alone), JobState.DONE, "wiped", None, 12.0)
        alone.append_events([home])
        node = alone.get("n1")
        assert (node.state, node.installation) == (State.AVAILABLE, 3)

    def test_nor_does_anything_of_a_wipe_that_failed(self, alone: Store) -> None:
        alone.submit("n1", JobKind.WIPE, "alice", now=5.0)
        alone.end(taken(alone), JobState.FAILED, "no disk", Cause.FAIL, 12.0)
        alone.append_events([event("n1", Kind.INSTALLED, installation=2)])
        assert alone.get("n1").state is State.FAILED
        assert alone.retry(1, "alice").installation == alone.get("n1").installation == 4

    @pytest.mark.parametrize(
        ("cause", "state"), [(Cause.INSPECTED, State.AVAILABLE), (Cause.FAIL, State.ENROLLED)]
    )
    def test_an_inspection_changes_the_state_only_where_it_is_its_own(
        self, alone: Store, cause: Cause, state: State
    ) -> None:
        alone.submit_all(["n1", "n2"], JobKind.INSPECT, "alice", now=5.0)
        assert alone.get("n1").state is State.INSPECTING
        alone.submit("n2", JobKind.INSTALL, "alice", now=500.0)
        for _ in range(2):
            alone.end(taken(alone), JobState.DONE, "seen", cause, 12.0)
        assert alone.get("n1").state is state
        assert alone.get("n2").state is State.INSTALLING

    @pytest.mark.parametrize(
        ("kind", "state"), [(JobKind.RESCUE, State.RESCUE), (JobKind.WIPE, State.WIPING)]
    )
    def test_what_interrupts_an_inspection_leads_back_to_before_it(
        self, alone: Store, kind: JobKind, state: State
    ) -> None:
        alone.submit("n1", JobKind.INSPECT, "alice", now=5.0)
        inspects = taken(alone)
        alone.submit("n1", kind, "bob", now=6.0)
        alone.end(inspects, JobState.DONE, "seen", Cause.INSPECTED, 12.0)
        assert alone.get("n1").state is state
        alone.cancel(2, "bob", now=13.0)
        assert alone.get("n1").state is State.ENROLLED

    def test_the_jobs_of_a_removed_node_are_cancelled_with_it(self, store: Store) -> None:
        store.submit_all(["n1", "n2"], JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(store)
        store.remove("n1")
        assert [job.state for job in store.jobs()] == [JobState.QUEUED, JobState.CANCELLED]
        assert store.job(1).outcome == "node n1 was removed"
        with pytest.raises(Fenced):
            store.end(claimed, JobState.DONE, "on", None, 12.0)
        with pytest.raises(Unknown, match="no node is called"):
            store.retry(1, "alice")
        assert came(store)[-2:] == ["job 1 cancelled", "installing→discovered"]


class TestCancelled:
    def test_between_turns_it_ends_at_once(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        store.release(taken(store), WAITS, 12.0)
        job = store.cancel(1, "bob", now=13.0)
        assert (job.state, job.outcome, job.cancelling) == (
            JobState.CANCELLED,
            "cancelled by bob",
            False,
        )
        assert store.get("n1").state is State.AVAILABLE
        assert store.claim("b", LEASE, 9e9) is None

    def test_a_running_turn_is_waited_for_and_the_next_one_ends_it(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(store)
        job = store.cancel(1, "bob", now=13.0)
        assert (job.state, job.cancelling) == (JobState.ACTIVE, True)
        store.release(claimed, replace(WAITS, due=9e9), 14.0)
        again = taken(store, "b", 14.0)
        assert again.job.cancelling
        ended = store.end(again, JobState.CANCELLED, "cancelled", None, 15.0)
        assert (ended.state, ended.outcome) == (JobState.CANCELLED, "cancelled by bob")
        assert store.get("n1").state is State.AVAILABLE

    def test_a_dead_one_s_turn_is_not_waited_for(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(alone)
        assert alone.cancel(1, "bob", now=40.0).state is JobState.CANCELLED
        with pytest.raises(Fenced):
            alone.keep(claimed, b"late", seconds=LEASE, now=41.0)

    def test_what_its_installer_touched_has_failed(self, alone: Store) -> None:
        alone.update("n1", NodeChange(state="installed"))
        alone.submit("n1", JobKind.INSTALL, "alice", {"reinstall": True}, now=5.0)
        alone.append_events([event("n1", Kind.SCRIPT, installation=1)])  # of the one before
        alone.cancel(1, "bob")
        assert alone.get("n1").state is State.INSTALLED
        alone.retry(1, "alice")
        alone.append_events([event("n1", Kind.SCRIPT, installation=2)])
        alone.cancel(1, "bob")
        node = alone.get("n1")
        assert (node.state, node.because) == (State.FAILED, "cancelled by bob")

    def test_so_has_what_was_at_it_before_it_had_a_job(self, alone: Store) -> None:
        alone.append_events([event("n1", Kind.SCRIPT, installation=1)])
        alone.cancel(alone.submit("n1", JobKind.INSTALL, "alice").id, "bob")
        assert alone.get("n1").state is State.FAILED

    def test_a_wipe_by_the_bmc_says_itself_that_it_touched_the_disk(self, alone: Store) -> None:
        alone.update("n1", NodeChange(state="installed"))
        alone.submit("n1", JobKind.WIPE, "alice", now=5.0)
        alone.cancel(1, "bob")
        assert alone.get("n1").state is State.INSTALLED
        alone.retry(1, "alice", now=5.0)
        claimed = taken(alone)
        alone.keep(claimed, b"", seconds=LEASE, now=11.0, touches=True)
        alone.release(claimed, WAITS, 12.0)
        alone.cancel(1, "bob", now=13.0)
        assert alone.get("n1").state is State.FAILED

    def test_one_that_got_there_meanwhile_is_left_to_its_next_turn(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        alone.release(taken(alone), replace(WAITS, due=9e9), 12.0)
        alone.append_events([event("n1", Kind.INSTALLED, installation=1)])
        job = alone.cancel(1, "bob", now=13.0)
        assert (job.state, job.cancelling, job.due) == (JobState.ACTIVE, True, 13.0)
        alone.end(taken(alone, now=13.0), JobState.DONE, "it called home", None, 14.0)
        assert alone.job(1).outcome == "it called home"

    @pytest.mark.parametrize("kind", JobKind)
    def test_any_kind_may_be(self, alone: Store, kind: JobKind) -> None:
        alone.update("n1", NodeChange(state="installed"))
        alone.submit("n1", kind, "alice", {"reinstall": True})
        alone.cancel(1, "bob")
        assert alone.get("n1").state is State.INSTALLED


class TestRetried:
    def test_it_begins_again_from_where_it_stood(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        store.release(taken(store), WAITS, 12.0)
        store.end(taken(store, now=60.0), JobState.FAILED, "no DISCOVER", Cause.FAIL, 61.0)
        job = store.retry(1, "bob", now=70.0)
        assert (job.state, job.attempt, job.stage) == (JobState.QUEUED, 2, "power-on")
        assert (job.outcome, job.ended, job.deadline) == ("", None, None)
        assert (job.since, job.due, job.installation) == (70.0, 70.0, 1)
        assert store.get("n1").state is State.INSTALLING
        again = taken(store, now=70.0)
        assert (again.memory, again.job.fence) == (b"seen", 3)
        assert came(store)[-2:] == ["failed→installing", "job 1 retry"]

    def test_only_what_failed_or_was_cancelled(self, alone: Store) -> None:
        alone.submit("n1", JobKind.POWER, "alice", now=5.0)
        with pytest.raises(Conflict, match="job 1 is queued; only a failed or cancelled one"):
            alone.retry(1, "bob")
        alone.end(taken(alone), JobState.DONE, "on", None, 11.0)
        with pytest.raises(Conflict, match="job 1 is done"):
            alone.retry(1, "bob")

    def test_not_beside_another(self, alone: Store) -> None:
        alone.cancel(alone.submit("n1", JobKind.INSTALL, "alice").id, "alice")
        alone.submit("n1", JobKind.RESCUE, "alice")
        with pytest.raises(Conflict, match=r"n1 has job 2 \(rescue\)"):
            alone.retry(1, "bob")

    def test_not_when_another_installation_was_asked_for_since(self, alone: Store) -> None:
        alone.cancel(alone.submit("n1", JobKind.INSTALL, "alice").id, "alice")
        alone.cancel(alone.submit("n1", JobKind.INSTALL, "alice").id, "alice")
        with pytest.raises(Conflict, match="another installation of node n1 was asked for since"):
            alone.retry(1, "bob")

    @pytest.mark.parametrize("reinstall", [True, False])
    def test_not_what_got_there_after_all_for_that_would_erase_it(
        self, alone: Store, reinstall: bool
    ) -> None:
        if reinstall:
            alone.update("n1", NodeChange(state="installed"))
        job = alone.submit("n1", JobKind.INSTALL, "alice", {"reinstall": reinstall}, now=5.0)
        alone.end(taken(alone), JobState.FAILED, "too slow", Cause.FAIL, 11.0)
        alone.append_events([event("n1", Kind.INSTALLED, installation=job.installation)])
        assert alone.get("n1").state is State.INSTALLED
        with pytest.raises(Conflict, match="n1 came to be installed since job 1 ended"):
            alone.retry(1, "bob")


class TestPowered:
    """What the cap on power-ons is counted by."""

    def test_a_machine_is_unheard_from_its_power_on_to_its_discover(self, store: Store) -> None:
        jobs = store.submit_all(NAMES, JobKind.INSTALL, "alice", now=5.0)
        two = Starts(2, 99, 60.0)
        turns = [taken(store) for _ in jobs]
        assert [store.count_start(turn, two, 10.0) for turn in turns] == [None, None, Full.AT_ONCE]
        store.append_events([event("n1", Kind.SCRIPT), event("n3", Kind.DISCOVER)])
        assert store.starts_full(3, two, 11.0) is Full.AT_ONCE
        store.append_events([event("n1", Kind.DISCOVER)])
        assert store.count_start(turns[2], two, 11.0) is None
        assert store.starts_full(0, two, 11.0) is Full.AT_ONCE
        store.remove("n2")
        assert store.starts_full(0, two, 11.0) is None

    def test_a_start_counts_for_as_long_as_the_window_heard_or_not(self, store: Store) -> None:
        store.submit_all(NAMES[:2], JobKind.INSTALL, "alice", now=5.0)
        one = Starts(99, 1, 60.0)
        first, second = taken(store), taken(store)
        assert store.count_start(first, one, 10.0) is None
        store.append_events([event("n1", Kind.DISCOVER)])
        assert store.count_start(second, one, 70.0) is Full.PER_WINDOW
        assert store.count_start(second, one, 70.1) is None

    def test_a_job_is_not_in_its_own_way(self, store: Store) -> None:
        store.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        one, turn = Starts(1, 1, 60.0), taken(store)
        assert store.count_start(turn, one, 10.0) is None
        assert store.count_start(turn, one, 11.0) is None

    def test_a_retried_job_is_not_counted_until_it_powers_on_again(self, alone: Store) -> None:
        alone.submit("n1", JobKind.INSTALL, "alice", now=5.0)
        claimed = taken(alone)
        alone.count_start(claimed, Starts(1, 1, 60.0), 10.0)
        alone.end(claimed, JobState.FAILED, "no DISCOVER", Cause.FAIL, 11.0)
        alone.retry(1, "bob", now=12.0)
        assert alone.starts_full(0, Starts(1, 2, 60.0), 12.0) is None
        assert alone.starts_full(0, Starts(1, 1, 60.0), 12.0) is Full.PER_WINDOW

    @pytest.mark.parametrize("starts", [Starts(3, 99, 60.0), Starts(99, 3, 60.0)])
    def test_replicas_that_race_start_as_many_as_they_may_and_no_more(
        self, database_url: str, starts: Starts
    ) -> None:
        names = [f"r{number}" for number in range(16)]
        with Store(database_url) as one, Store(database_url) as other:
            for name in names:
                one.add(Node(name, (), "debian-12"))
            one.submit_all(names, JobKind.INSTALL, "alice", now=5.0)
            turns = [taken(one) for _ in names]
            together = Barrier(len(turns))

            def start(number: int) -> Full | None:
                together.wait(60)
                return (one, other)[number % 2].count_start(turns[number], starts, 10.0)

            with ThreadPoolExecutor(len(turns)) as threads:
                said = list(threads.map(start, range(len(turns))))
        assert said.count(None) == 3


class TestBmcLock:
    def test_one_has_it_until_it_is_given_back_or_over(self, store: Store) -> None:
        assert store.lock_bmc("ipmi://bmc", "a", 60.0, 10.0)
        assert not store.lock_bmc("ipmi://bmc", "b", 60.0, 69.9)
        assert store.lock_bmc("ipmi://other", "b", 60.0, 69.9)
        assert store.lock_bmc("ipmi://bmc", "a", 60.0, 69.9)  # renewed
        assert not store.lock_bmc("ipmi://bmc", "b", 60.0, 129.8)
        assert store.lock_bmc("ipmi://bmc", "b", 60.0, 129.9)
        store.unlock_bmc("ipmi://bmc", "a")
        assert not store.lock_bmc("ipmi://bmc", "a", 60.0, 130.0)
        store.unlock_bmc("ipmi://bmc", "b")
        assert store.lock_bmc("ipmi://bmc", "a", 60.0, 130.0)
