"""The worker's threads: it wakes, keeps to its bound, survives a store that fails, and ends."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netboot.bmc.model import PowerAction
from netboot.errors import OperationError
from netboot.job import JobKind, JobState
from netboot.jobs import bmc_locks
from netboot.jobs import worker as module
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.bmc_turn import Turn
from netboot.jobs.owner import owner_in
from netboot.jobs.worker import Worker
from tests.job_site import JobSite

PATIENCE = 60.0


def await_(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class Busy:
    """BMCs that are switched only when ``go`` is set; how many are at it."""

    def __init__(self, site: JobSite, count: int) -> None:
        self.go = threading.Event()
        self.at_it = 0
        self.most = 0
        self._lock = threading.Lock()
        for number in range(1, count + 1):
            site.add(f"n{number}").on_power = self.switch
            site.submit(f"n{number}", JobKind.POWER, action="off")

    def switch(self, _action: PowerAction) -> None:
        with self._lock:
            self.at_it += 1
            self.most = max(self.most, self.at_it)
        assert self.go.wait(PATIENCE)
        with self._lock:
            self.at_it -= 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[JobSite]:
    found = JobSite(tmp_path)
    yield found
    found.tools.leaving.set()
    found.store.close()


def ended(site: JobSite, count: int) -> bool:
    return all(site.job(number).state.ended for number in range(1, count + 1))


def test_a_job_is_taken_at_once_when_the_worker_is_woken(
    site: JobSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", PATIENCE * 10)
    site.worker.start()
    site.add("n1")
    site.submit("n1", JobKind.POWER, action="off")
    site.worker.wake()
    await_(lambda: ended(site, 1), "the job's end")
    site.worker.stop(PATIENCE)


def test_no_more_turns_run_at_once_than_allowed(site: JobSite) -> None:
    busy, two = Busy(site, 4), Worker(site.tools, "here", 2)
    two.start()
    await_(lambda: busy.at_it == 2, "two turns")
    busy.go.set()
    await_(lambda: ended(site, 4), "the jobs' ends")
    assert busy.most == 2
    two.stop(PATIENCE)


def test_it_waits_for_the_turns_that_run_and_begins_no_more(site: JobSite) -> None:
    busy = Busy(site, 2)
    site.worker.start()
    await_(lambda: busy.at_it == 1, "a turn")
    ending = threading.Thread(target=site.worker.stop, args=(PATIENCE,))
    ending.start()
    assert site.tools.leaving.wait(PATIENCE)
    assert ending.is_alive()
    busy.go.set()
    ending.join(PATIENCE)
    assert not ending.is_alive()
    assert [site.job(number).state for number in (1, 2)].count(JobState.QUEUED) == 1


def test_a_turn_that_takes_too_long_is_left_to_its_lease(site: JobSite) -> None:
    busy = Busy(site, 1)
    site.worker.start()
    await_(lambda: busy.at_it == 1, "a turn")
    site.worker.stop(0.01)
    assert site.job().owner == "here"
    busy.go.set()
    await_(lambda: busy.at_it == 0, "its end")


def test_one_of_the_same_name_takes_over_at_once_and_another_later(site: JobSite) -> None:
    site.add("n1")
    site.submit("n1", JobKind.POWER, action="off")
    assert site.store.claim("here", 120.0, site.now)
    assert site.store.claim("there", 120.0, site.now) is None
    site.worker.start()
    await_(lambda: ended(site, 1), "the job's end")
    site.worker.stop(PATIENCE)


def test_a_store_that_fails_is_asked_again_and_said_once(
    site: JobSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "POLL", 0.01)
    next_due, failures = site.store.next_due, iter(range(5))

    def failing(now: float) -> float | None:
        if next(failures, None) is not None:
            raise OperationError("database is locked")
        return next_due(now)

    monkeypatch.setattr(site.store, "next_due", failing)
    site.add("n1")
    site.submit("n1", JobKind.POWER, action="off")
    with caplog.at_level(logging.ERROR):
        site.worker.start()
        await_(lambda: ended(site, 1), "the job's end")
    site.worker.stop(PATIENCE)
    assert caplog.text.count("database is locked") == 1


def test_a_process_has_the_same_name_after_each_restart(tmp_path: Path) -> None:
    name = owner_in(tmp_path)
    assert owner_in(tmp_path) == name
    assert (tmp_path / "owner").stat().st_mode & 0o777 == 0o600
    (tmp_path / "owner").write_text("")  # it was killed as it wrote it
    assert owner_in(tmp_path) not in ("", name)


def test_a_bmc_that_another_replica_speaks_to_is_left_to_it(
    site: JobSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bmc_locks, "PATIENCE", 0.3)
    site.add("n1")
    node, bmc = site.store.get("n1"), site.store.bmc("n1")
    assert bmc is not None
    where = (site.store, lambda: None, site.tools.leaving)
    job, operator = (Turn(node, "install", "alice", *where, job=number) for number in (1, 0))
    there = BmcLocks(site.store, "there")
    with there.hold(bmc, job):
        for turn in (job, operator):
            with pytest.raises(OperationError, match="another netboot speaks to it"):
                site.locks.hold(bmc, turn).__enter__()
    with site.locks.hold(bmc, operator):
        assert site.locks.under_way() == {"n1": "begins"}
    assert site.locks.under_way() == {}
