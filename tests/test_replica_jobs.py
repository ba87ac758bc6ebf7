"""Jobs of several replicas on one PostgreSQL: a turn is one replica's, whatever becomes of it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import pytest

from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import Cause
from netboot.model import Mac, Node, State
from netboot.store.job_shapes import Claimed, Fenced, Progress
from netboot.store.store import Store

COUNT = 40
LONG = 600.0
"""Seconds of a lease, whose end no test waits for: the next replica's clock is said to be later."""


@pytest.fixture
def stores(postgresql_url: str) -> Iterator[tuple[Store, Store]]:
    """The stores of two replicas."""
    with Store(postgresql_url) as one, Store(postgresql_url) as other:
        yield one, other


def submitted(store: Store, count: int = 1, kind: JobKind = JobKind.INSTALL) -> list[Job]:
    names = [f"n{n}" for n in range(count)]
    store.import_nodes(
        [Node(name, (Mac(f"52:54:00:00:00:{n:02x}"),), "local") for n, name in enumerate(names)]
    )
    return list(store.submit_all(names, kind, "me"))


def claimed(store: Store, owner: str, later: float = 0.0) -> Claimed:
    found = store.claim(owner, LONG, time.time() + later)
    assert found is not None
    return found


def progress(memory: bytes, due: float) -> Progress:
    return Progress("power-on", "a sign of the machine", time.time(), None, due, memory)


class TestClaimed:
    def test_each_job_is_one_replica_s_however_many_ask_at_once(
        self, stores: tuple[Store, Store]
    ) -> None:
        jobs = submitted(stores[0], COUNT)

        def take_all(number: int) -> list[int]:
            mine, store = [], stores[number % 2]
            while (found := store.claim(f"replica {number}", LONG, time.time())) is not None:
                mine.append(found.job.id)
            return mine

        with ThreadPoolExecutor(8) as threads:
            taken = [number for part in threads.map(take_all, range(8)) for number in part]
        assert sorted(taken) == sorted(job.id for job in jobs)

    def test_every_turn_of_every_job_is_taken_once(self, stores: tuple[Store, Store]) -> None:
        turns = 5
        submitted(stores[0], 10)

        def work(number: int) -> None:
            store = stores[number % 2]
            while store.next_due(time.time()) is not None:
                found = store.claim(f"replica {number}", LONG, time.time())
                if found is None:
                    continue
                memory = found.memory + b"x"
                store.keep(found, memory, seconds=LONG, now=time.time())
                if len(memory) == turns:
                    store.end(found, JobState.DONE, "done", Cause.CALLED_HOME, time.time())
                else:
                    store.release(found, progress(memory, time.time()), time.time())

        with ThreadPoolExecutor(6) as threads:
            for done in [threads.submit(work, number) for number in range(6)]:
                done.result(timeout=120)
        for job in stores[0].jobs():
            assert (job.state, job.fence) == (JobState.DONE, turns)
            assert stores[0].memory(job.id) == b"x" * turns

    def test_an_event_that_one_replica_keeps_wakes_the_job_that_another_runs(
        self, stores: tuple[Store, Store]
    ) -> None:
        one, other = stores
        submitted(one)
        mine = claimed(one, "one")
        one.release(mine, progress(b"", time.time() + LONG), time.time())
        assert other.claim("other", LONG, time.time()) is None
        other.append_events([Event(Kind.DISCOVER, None, "n0")])
        assert claimed(one, "one").job.id == mine.job.id

    def test_of_two_that_ask_for_one_node_at_once_one_is_refused(
        self, stores: tuple[Store, Store]
    ) -> None:
        submitted(stores[0], 1, JobKind.POWER)
        with ThreadPoolExecutor(8) as threads:
            asked = [
                threads.submit(stores[n % 2].submit, "n0", JobKind.INSTALL, f"{n}")
                for n in range(8)
            ]
        assert sum(one.exception() is None for one in asked) == 1

    def test_a_bmc_is_spoken_to_by_one_replica_at_a_time(self, stores: tuple[Store, Store]) -> None:
        def lock(number: int) -> bool:
            return stores[number % 2].lock_bmc("bmc1", f"turn {number}", LONG, time.time())

        with ThreadPoolExecutor(8) as threads:
            had = list(threads.map(lock, range(8)))
        assert sum(had) == 1
        stores[0].unlock_bmc("bmc1", f"turn {had.index(True)}")
        assert lock(9)


REPLICA = """
import sys, time
from netboot.store.job_shapes import Fenced
from netboot.store.store import Store

url, owner, lease = *sys.argv[1:3], float(sys.argv[3])
with Store(url) as store:
    turn = store.claim(owner, lease, time.time())
    store.keep(turn, b"power cycle, by " + owner.encode(), seconds=lease, now=time.time())
    print("kept", turn.job.fence, flush=True)
    for line in sys.stdin:
        try:
            store.keep(turn, b"late", seconds=lease, now=time.time())
        except Fenced as error:
            print("fenced:", error, flush=True)
        else:
            print("kept", turn.job.fence, flush=True)
"""
"""Has one turn of one job, and writes again whenever it is told to."""


class Other:
    """Another replica, as a process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin: IO[str] = process.stdin
        self.stdout: IO[str] = process.stdout

    def said(self) -> str:
        return self.stdout.readline().strip()

    def write_again(self) -> None:
        self.stdin.write("\n")
        self.stdin.flush()


@contextmanager
def another(url: str, owner: str) -> Iterator[Other]:
    process = subprocess.Popen(
        [sys.executable, "-c", REPLICA, url, owner, str(LONG)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        other = Other(process)
        assert other.said() == "kept 1"
        yield other
    finally:
        process.kill()
        process.communicate()


class TestTakenOver:
    def test_a_replica_killed_in_mid_turn_loses_its_job_when_the_lease_is_over(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        [job] = submitted(stores[0])
        with another(postgresql_url, "first") as first:
            first.process.kill()
            first.process.wait()
        assert stores[0].claim("second", LONG, time.time()) is None
        mine = claimed(stores[0], "second", 2 * LONG)
        assert (mine.job.id, mine.job.fence, mine.memory) == (job.id, 2, b"power cycle, by first")
        stores[0].end(mine, JobState.FAILED, "that was all", None, time.time())

    def test_one_that_stood_still_past_its_lease_writes_nothing_any_longer(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        [job] = submitted(stores[0])
        with another(postgresql_url, "first") as first:
            first.process.send_signal(signal.SIGSTOP)
            mine = claimed(stores[0], "second", 2 * LONG)
            stores[0].keep(mine, b"newer", seconds=LONG, now=time.time())
            first.write_again()
            first.process.send_signal(signal.SIGCONT)
            assert first.said().startswith(f"fenced: job {job.id}: its turn is another's by now")
        assert stores[1].memory(job.id) == b"newer"
        stores[0].end(mine, JobState.FAILED, "that was all", None, time.time())

    def test_one_whose_job_was_ended_meanwhile_writes_nothing_either(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        submitted(stores[0])
        with another(postgresql_url, "first") as first:
            mine = claimed(stores[0], "second", 2 * LONG)
            stores[0].end(mine, JobState.FAILED, "that was all", None, time.time())
            first.write_again()
            assert first.said().startswith("fenced: ")

    def test_one_started_again_under_its_name_goes_on_at_once(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        submitted(stores[0])
        with another(postgresql_url, "first") as first:
            first.process.kill()
            first.process.wait()
            stores[0].forsake("first")
            assert claimed(stores[0], "first").memory == b"power cycle, by first"

    def test_one_started_again_under_another_name_waits_for_the_lease(
        self, stores: tuple[Store, Store], postgresql_url: str
    ) -> None:
        submitted(stores[0])
        with another(postgresql_url, "first") as first:
            first.process.kill()
            first.process.wait()
            stores[0].forsake("renamed")
            assert stores[0].claim("renamed", LONG, time.time()) is None
            assert claimed(stores[0], "renamed", 2 * LONG).memory == b"power cycle, by first"

    def test_what_was_fenced_changed_neither_job_nor_node(
        self, stores: tuple[Store, Store]
    ) -> None:
        one, other = stores
        [job] = submitted(one)
        first = claimed(one, "first")
        assert claimed(other, "second", 2 * LONG).job.fence == first.job.fence + 1
        before = one.timeline("n0")
        for write in (
            lambda: one.keep(first, b"late", seconds=LONG, now=time.time()),
            lambda: one.release(first, progress(b"late", time.time()), time.time()),
            lambda: one.end(first, JobState.FAILED, "late", None, time.time()),
        ):
            with pytest.raises(Fenced):
                write()
        assert one.memory(job.id) == b""
        assert one.job(job.id).owner == "second"
        assert one.get("n0").state is State.INSTALLING
        assert one.timeline("n0") == before
