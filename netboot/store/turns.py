"""The store's turns: a job is claimed, runs for a moment, and is given back or ended.

Whoever claims a job has it for the time of its lease. Each of its writes names the lease's fence,
and is refused (``Fenced``) once the job was claimed again or ended. An event of the machine makes
the next turn due at once, also where it comes in mid-turn.
"""

from typing import Any

import sqlalchemy as sa

from netboot.errors import OperationError
from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import ERASING, UNDER_WAY, Cause, ending
from netboot.model import State
from netboot.store import bmc_locks, job_rows, nodes, timeline, transitions
from netboot.store.database import transaction
from netboot.store.job_shapes import (
    LONGEST_STAGE,
    MAX_CLAUSE,
    MAX_MEMORY,
    Claimed,
    Fenced,
    Full,
    Progress,
    Starts,
)
from netboot.store.opened import Opened
from netboot.store.shapes import Conflict, Unknown
from netboot.store.transitions import Why


class Turns(Opened):
    """What runners of jobs ask for. Every time is in epoch seconds."""

    def claim(self, owner: str, seconds: float, now: float) -> Claimed | None:
        """The most overdue job whose turn nobody has; None where none is due.

        Args:
            owner: who takes the turn.
            seconds: how long nobody else will.
            now: epoch seconds.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            taken = job_rows.claim(connection, owner, seconds, now)
            return None if taken is None else Claimed(*taken)

    def keep(
        self,
        claimed: Claimed,
        memory: bytes,
        *,
        seconds: float,
        now: float,
        touches: bool = False,
    ) -> None:
        """Write down what is about to be done; it survives a power cut when this returns.

        Args:
            claimed: whose turn it is.
            memory: what the next turn must know, also where this one is never ended.
            seconds: the lease, from now on.
            now: epoch seconds.
            touches: its disk is about to be touched, by other means than a script of ours.

        Raises:
            Fenced: the turn is another's by now.
            OperationError: the memory is larger than ``MAX_MEMORY``.
        """
        values: dict[str, object] = {"memory": _checked(memory), "lease": now + seconds}
        if touches:
            values["touched"] = True
        with self._writing, transaction(self._sure, writes=True) as connection:
            _write(connection, claimed.job, values)

    def release(self, claimed: Claimed, progress: Progress, now: float) -> None:
        """A turn is over, and the job is not; it is due at once where an event came meanwhile.

        Raises:
            Fenced: the turn is another's by now.
            OperationError: the memory is larger than ``MAX_MEMORY``.
        """
        job = claimed.job
        due = sa.case((job_rows.WOKEN, now), else_=progress.due)
        values: dict[str, object] = {
            "stage": progress.stage[:LONGEST_STAGE],
            "waits_for": progress.waits_for[:MAX_CLAUSE],
            "since": progress.since,
            "deadline": progress.deadline,
            "due": due,
            "memory": _checked(progress.memory),
            "owner": None,
            "lease": 0.0,
            "changed": now,
        }
        with self._writing, transaction(self._quick, writes=True) as connection:
            _write(connection, job, values)
            if progress.note:
                self._note(connection, job, "step", f"{job.kind}: {progress.note}", now)
            if progress.stage != job.stage:
                waits = f", waits for {progress.waits_for}" if progress.waits_for else ""
                line = f"{job.kind}: {progress.stage}{waits}"
                self._note(connection, job, "stage", line, now, progress.stage)

    def end(
        self, claimed: Claimed, state: JobState, outcome: str, cause: Cause | None, now: float
    ) -> Job:
        """A turn is over, and so is the job.

        Args:
            claimed: whose turn it is.
            state: ``DONE``, ``FAILED`` or ``CANCELLED``.
            outcome: how it ended, one clause.
            cause: what that is to its node; None where nothing. A cancelled one needs none: it
                depends on whether the disk was touched.
            now: epoch seconds.

        Raises:
            Fenced: the turn is another's by now.
            Conflict: the node went another way meanwhile, so that it has to be looked at again.
        """
        if not state.ended:
            raise ValueError(f"{state} is no end of a job")
        with self._writing, transaction(self._sure, writes=True) as connection:
            _write(connection, claimed.job, {"changed": now})
            if state is JobState.CANCELLED:  # who had it cancelled stands in the row
                outcome = known(connection, claimed.job.id, "").outcome or outcome
            return self._ended(connection, claimed.job, state, outcome, cause, now)

    def free_node(self, claimed: Claimed, memory: bytes, now: float) -> None:
        """The node of a job that is being cancelled goes its way; the job puts back what it did.

        Raises:
            Fenced: the turn is another's by now.
            Conflict: the node went another way meanwhile.
        """
        job = claimed.job
        with self._writing, transaction(self._sure, writes=True) as connection:
            _write(connection, job, {"memory": _checked(memory), "changed": now})
            self._move_node(connection, job, JobState.CANCELLED, job.outcome, None, now)

    def end_cancelled(self, claimed: Claimed, outcome: str, now: float) -> Job:
        """A cancelled job is over, whose node was let go before.

        Raises:
            Fenced: the turn is another's by now.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            _write(connection, claimed.job, {"changed": now})
            said = outcome[:MAX_CLAUSE]
            return self._closed(connection, claimed.job, JobState.CANCELLED, said, now)

    def forsake(self, owner: str) -> None:
        """Give up all that a process of this name had, which is known to be dead."""
        with self._writing, transaction(self._quick, writes=True) as connection:
            job_rows.forsake(connection, owner)
            bmc_locks.forsake(connection, owner)

    def next_due(self, now: float) -> float | None:
        """When the next job can be claimed, ``now`` where one can be already; None without any."""
        with transaction(self._quick) as connection:
            due = job_rows.next_due(connection)
            return None if due is None else max(due, now)

    def count_start(self, claimed: Claimed, starts: Starts, now: float) -> Full | None:
        """Count a job's machine among those that start, unless as many do as may.

        It is counted when this returns, whether or not it is started then, and however many
        programs ask at once.

        Returns:
            the bound that is reached; nothing is counted then. Else None.

        Raises:
            Fenced: the turn is another's by now.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            if full := job_rows.starts_full(connection, claimed.job.id, starts, now):
                return full
            _write(connection, claimed.job, {"powered": now, "heard": False})
            return None

    def starts_full(self, number: int, starts: Starts, now: float) -> Full | None:
        """What ``count_start`` would say to job ``number``."""
        with transaction(self._quick) as connection:
            return job_rows.starts_full(connection, number, starts, now)

    def lock_bmc(self, key: str, owner: str, seconds: float, now: float) -> bool:
        """Have a BMC for oneself; False where another has it.

        Args:
            key: which one.
            owner: who has it already has it for longer.
            seconds: how long at most.
            now: epoch seconds.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            return bmc_locks.lock(connection, key, owner, seconds, now)

    def unlock_bmc(self, key: str, owner: str) -> None:
        """Give a BMC free; nothing happens where another has it by now."""
        with self._writing, transaction(self._quick, writes=True) as connection:
            bmc_locks.unlock(connection, key, owner)

    def _ended(
        self,
        connection: sa.Connection,
        job: Job,
        state: JobState,
        outcome: str,
        cause: Cause | None,
        now: float,
    ) -> Job:
        """End a job, take its node on and write both down; as ``end``."""
        said = outcome[:MAX_CLAUSE]
        self._move_node(connection, job, state, said, cause, now)
        return self._closed(connection, job, state, said, now)

    def _move_node(
        self,
        connection: sa.Connection,
        job: Job,
        state: JobState,
        said: str,
        cause: Cause | None,
        now: float,
    ) -> None:
        """Take a job's node on, as the job ends in ``state``."""
        node = transitions.standing(connection, job.node, f"job {job.id}")
        if state is JobState.CANCELLED and cause is None and job.kind is not JobKind.POWER:
            touched = job_rows.touched(connection, job.id)
            cause = Cause.BREAK_OFF if touched else Cause.CANCEL
        effect = ending(node.state, job.kind, state, cause)
        if effect is None and state is JobState.DONE and _is_under_way(job.kind, node.state):
            problem = f"node {node.name} is still {node.state}, so it is not done"
            raise Conflict(f"job {job.id}", "", problem)
        if effect is not None:
            why = Why(because=said, time=now)
            transitions.move(connection, node, effect, self._retention, f"job {job.id}", why)

    def _closed(
        self, connection: sa.Connection, job: Job, state: JobState, said: str, now: float
    ) -> Job:
        """End a job, whatever its node is."""
        ending: dict[str, object] = {
            "state": state.value,
            "outcome": said,
            "ended": now,
            "changed": now,
            "holds": None,
            "owner": None,
            "lease": 0.0,
        }
        ended = job_rows.change(connection, job.id, ending)
        self._note(connection, ended, state.value, f"{job.kind} {state}: {said}", now)
        return ended

    def _note(
        self, connection: sa.Connection, job: Job, came: str, line: str, now: float, stage: str = ""
    ) -> None:
        """Write what became of a job into its node's timeline."""
        data: dict[str, str | int] = {
            "job": job.id,
            "kind": job.kind.value,
            "stage": stage or job.stage,
            "came": came,
        }
        mac = next(iter(nodes.macs_of(connection, job.node)), None)
        event = Event(Kind.JOB, mac, job.node, line, data, now)
        timeline.append(connection, [event], self._retention)


def known(connection: sa.Connection, number: int, source: str) -> sa.Row[Any]:
    """A job's row.

    Raises:
        Unknown: there is none of that number.
    """
    row = job_rows.row(connection, number)
    if row is None:
        raise Unknown(source, "", f"there is no job {number}")
    return row


def _is_under_way(kind: JobKind, state: State) -> bool:
    """Whether a job of this kind is not over, for its machine still is at it."""
    return state in UNDER_WAY[kind] & ERASING


def _checked(memory: bytes) -> bytes:
    if len(memory) > MAX_MEMORY:
        problem = f"a job's memory would have {len(memory)} bytes; at most {MAX_MEMORY} are kept"
        raise OperationError(problem)
    return memory


def _write(connection: sa.Connection, job: Job, values: dict[str, object]) -> None:
    if not job_rows.write(connection, job, values):
        raise Fenced(f"job {job.id}: its turn is another's by now, or it ended")
