"""Takes the turns of all jobs: claims what is due, each turn in a thread, so many at a time.

::

    next_due ──▶ sleep until then, or ``wake``, or POLL ──▶ claim ──▶ turn ──▶ release or end

A job that waits is held by nobody. A process that dies in mid-turn leaves its leases behind; the
one that comes after it in the same data folder gives them up at once, any other when they are over.
"""

import contextlib
import logging
import threading
from dataclasses import replace

from msgspec.structs import replace as with_

from netboot.errors import OperationError
from netboot.job import Job, JobState
from netboot.jobs.ending import held_back
from netboot.jobs.memory import encoded, understood
from netboot.jobs.runner import JobTurn
from netboot.jobs.step import Ends, Waits
from netboot.jobs.tools import Tools
from netboot.store.job_shapes import Claimed, Fenced, Progress
from netboot.store.shapes import Conflict, Unknown

POLL = 1.0
"""Seconds until the store is asked again in any case: another process may have submitted a job."""
LEAST_PAUSE = 0.02
"""Seconds from one look that found nothing to the next."""

SETTLES = 15.0
"""Seconds after our start in which boot programs bring what happened while we were away."""

log = logging.getLogger(__name__)


class Worker:
    """Takes turns from ``start`` to ``stop``.

    Args:
        tools: with which.
        owner: names this process; no other that lives has this name.
        at_once: turns at a time.
    """

    def __init__(self, tools: Tools, owner: str, at_once: int) -> None:
        self._tools = tools
        self._store = tools.store
        self._owner = owner
        self._at_once = at_once
        self._state = threading.Condition()
        self._woken = False
        self._running = 0
        self._failing = False
        self._settled = 0.0

    def start(self) -> None:
        """Begin. Whoever had our name before is dead, since we have his data folder's lock.

        Raises:
            OperationError: the store could not do it.
        """
        self._store.forsake(self._owner)
        self._settled = self._tools.clock() + SETTLES
        threading.Thread(target=self._run, name="jobs", daemon=True).start()

    def wake(self) -> None:
        """Something may be due: look at once."""
        with self._state:
            self._woken = True
            self._state.notify_all()

    def stop(self, seconds: float) -> None:
        """Begin no more turns, and wait for those that run; what is left is left to its lease."""
        self._tools.leaving.set()
        self.wake()
        with self._state:
            self._state.wait_for(lambda: self._running == 0, seconds)

    def _run(self) -> None:
        while not self._tools.leaving.is_set():
            try:
                claimed = self._claim()
                self._failing = False
            except OperationError as error:
                claimed = None
                if not self._failing:
                    log.error("jobs cannot be read; tried again every %g s: %s", POLL, error)  # noqa: TRY400 -- the text says all
                self._failing = True
                self._sleep(POLL)
            if claimed is not None:
                with self._state:
                    self._running += 1
                threading.Thread(target=self._turn, args=(claimed,), daemon=True).start()

    def _claim(self) -> Claimed | None:
        """The next job; None after a sleep, where there was none or no room for one."""
        with self._state:
            self._woken = False
            full = self._running >= self._at_once
        if full:
            self._sleep(POLL)
            return None
        clock = self._tools.clock
        due = self._store.next_due(clock())
        if due is None or due > clock():
            self._sleep(POLL if due is None else min(POLL, due - clock()))
            return None
        claimed = self._store.claim(self._owner, self._tools.lease, clock())
        if claimed is None:  # another replica was faster
            self._sleep(LEAST_PAUSE)
        return claimed

    def _sleep(self, seconds: float) -> None:
        with self._state:
            self._state.wait_for(lambda: self._woken, max(LEAST_PAUSE, seconds))

    def _turn(self, claimed: Claimed) -> None:
        job = claimed.job
        try:
            self._take(claimed)
        except Fenced as error:
            log.warning("%s", error)
        except OperationError as error:
            log.error("job %d: its turn is lost, and taken again: %s", job.id, error)  # noqa: TRY400 -- the text says all
        finally:
            with self._state:
                self._running -= 1
                self._woken = True
                self._state.notify_all()
            self._tools.arrived()

    def _take(self, claimed: Claimed) -> None:
        turn = None
        if claimed.job.cancelling:
            with contextlib.suppress(Conflict):  # its node went another way, as its turn will see
                if (left := self._cancelled(claimed)) is None:
                    return
                claimed = left
        try:
            turn = JobTurn(self._tools, claimed, self._settled)
            step = turn.take()
        except Unknown:
            step = Ends(JobState.FAILED, f"node {claimed.job.node} is gone")
        except OperationError:
            raise
        except Exception as error:
            log.exception("job %d (%s of %s)", claimed.job.id, claimed.job.kind, claimed.job.node)
            step = Ends(JobState.FAILED, f"netboot itself is at fault: {type(error).__name__}")
        memory = encoded(turn.memory) if turn else claimed.memory
        self._settle(claimed, step, memory)

    def _cancelled(self, claimed: Claimed) -> Claimed | None:
        """End a job as cancelled; what is left of it, where something is to be put back first.

        Its node is let go at once all the same: it boots nothing of the job meanwhile.

        Raises:
            Conflict: its node went another way.
        """
        memory, now = understood(claimed.memory), self._tools.clock()
        if memory.ending is not None:
            return claimed
        if not memory.has_cd:
            self._store.end(claimed, JobState.CANCELLED, "cancelled", None, now)
            return None
        end = Ends(JobState.CANCELLED, claimed.job.outcome)
        kept = encoded(held_back(memory, end, now))
        self._store.free_node(claimed, kept, now)
        return replace(claimed, memory=kept)

    def _settle(self, claimed: Claimed, step: Waits | Ends, memory: bytes) -> None:
        """Write down what a turn came to."""
        job, now = claimed.job, self._tools.clock()
        if isinstance(step, Ends):
            try:
                if step.state is JobState.CANCELLED:
                    self._store.end_cancelled(claimed, step.outcome, now)
                else:
                    self._store.end(claimed, step.state, step.outcome, step.cause, now)
            except Conflict:  # its node went another way meanwhile: look again
                step = _again(job, now)
                memory = encoded(with_(understood(memory), ending=None))
            else:
                return
        where = (step.stage, step.waits_for, step.since, step.deadline, step.due)
        self._store.release(claimed, Progress(*where, memory, step.note), now)


def _again(job: Job, now: float) -> Waits:
    return Waits(job.stage, job.waits_for, job.since, job.deadline, now + POLL)
