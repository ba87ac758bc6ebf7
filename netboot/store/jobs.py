"""The store's jobs: what is wanted of machines, as people ask for it, look at it and end it.

::

    submit ──▶ QUEUED ──claim──▶ ACTIVE ◀──release, claim──┐
                 ▲                 │  └────────────────────┘
                 │ retry           │ end, cancel
                 └─ FAILED or CANCELLED, else DONE

A job, its node's state and its line in the timeline are always written together.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import BESIDE
from netboot.model import Node
from netboot.store import bmcs, job_rows
from netboot.store.database import transaction
from netboot.store.installations import deployed, nodes_in_effect, refuse_no_installer
from netboot.store.job_begin import begin
from netboot.store.job_shapes import MAX_KEY, MAX_NAME, Asked, Request
from netboot.store.opened import COMMAND_LINE
from netboot.store.shapes import Conflict
from netboot.store.turns import Turns, known

HasCd = Callable[[bytes], bool]
"""Says of a job's memory whether the virtual CD that it inserted may still be in."""


class Jobs(Turns):
    """Jobs. Every time is in epoch seconds; ``now`` is the clock's where None is given."""

    def submit(  # noqa: PLR0913 -- each is a part of the request
        self,
        node: str,
        kind: JobKind,
        by: str,
        asked: Asked | None = None,
        *,
        key: str | None = None,
        installing: Collection[str] | None = None,
        source: str = COMMAND_LINE,
        now: float | None = None,
    ) -> Job:
        """Have something done with a node.

        Args:
            node: whose.
            kind: what.
            by: who asks.
            asked: what exactly; ``reinstall``: also where it is installed.
            key: asked again with the same one, the same job is given.
            installing: for an installation: the profiles that install something.
            source: where that was asked, for errors.
            now: epoch seconds.

        Raises:
            Unknown: there is no such node.
            Conflict: its state does not allow it, or another job for it has not ended.
            ConfigError: its profile installs nothing, there are ``MAX_WAITING`` jobs, or the key is
                too long.
        """
        return self.submit_all(
            [node], kind, by, asked, key=key, installing=installing, source=source, now=now
        )[0]

    def submit_all(  # noqa: PLR0913 -- likewise
        self,
        names: Sequence[str],
        kind: JobKind,
        by: str,
        asked: Asked | None = None,
        *,
        key: str | None = None,
        installing: Collection[str] | None = None,
        source: str = COMMAND_LINE,
        now: float | None = None,
    ) -> Sequence[Job]:
        """``submit`` for each of several nodes: all of them or none."""
        if key is not None and not 0 < len(key) <= MAX_KEY:
            problem = f"must have 1 to {MAX_KEY} characters"
            raise ConfigError(source, "idempotency key", problem)
        when = time.time() if now is None else now
        request = Request(kind, by[:MAX_NAME], dict(asked or {}), source, when, key, installing)
        with self._writing, transaction(self._sure, writes=True) as connection:
            unique = list(dict.fromkeys(names))
            there = {name: _submitted_before(connection, name, request) for name in unique}
            new = [name for name, job in there.items() if job is None]
            if job_rows.waiting(connection) + len(new) > job_rows.MAX_WAITING:
                raise job_rows.full(source)
            for node in nodes_in_effect(connection, new, source):
                there[node.name] = self._submitted(connection, node, request)
            job_rows.prune(connection)
            return [job for job in there.values() if job is not None]

    def cancel(
        self,
        number: int,
        by: str,
        source: str = COMMAND_LINE,
        *,
        now: float | None = None,
        has_cd: HasCd = lambda _memory: False,
    ) -> Job:
        """Have a job end; a turn that is running is waited for.

        Args:
            number: which.
            by: who asks.
            source: where that was asked, for errors.
            now: epoch seconds.
            has_cd: says of a job's memory whether its next turns have to take its CD out first.

        Returns:
            the job: ended, or with ``cancelling`` set where that is a turn's to do.

        Raises:
            Unknown: there is no such job.
            Conflict: it has ended.
        """
        when = time.time() if now is None else now
        with self._writing, transaction(self._sure, writes=True) as connection:
            row = known(connection, number, source)
            job = job_rows.job_of(row)
            if job.state.ended:
                raise Conflict(source, "", f"job {number} is {job.state} already")
            outcome = f"cancelled by {by[:MAX_NAME]}"
            if row.lease <= when and not has_cd(bytes(row.memory)):
                with contextlib.suppress(Conflict):  # it came to another end, as a turn will see
                    return self._ended(connection, job, JobState.CANCELLED, outcome, None, when)
            marks = {"cancelling": True, "outcome": outcome, "woken": True, "due": when}
            return job_rows.change(connection, number, marks)

    def retry(
        self, number: int, by: str, source: str = COMMAND_LINE, *, now: float | None = None
    ) -> Job:
        """Begin a failed or cancelled job again from where it stood.

        Raises:
            Unknown: there is no such job, or its node is gone.
            Conflict: it did not fail, or its node has gone another way since.
        """
        when = time.time() if now is None else now
        with self._writing, transaction(self._sure, writes=True) as connection:
            job = job_rows.job_of(known(connection, number, source))
            if job.state not in (JobState.FAILED, JobState.CANCELLED):
                said = f"job {number} is {job.state}; only a failed or cancelled one is retried"
                raise Conflict(source, "", said)
            if job_rows.waiting(connection) >= job_rows.MAX_WAITING:
                raise job_rows.full(source)
            request = Request(job.kind, by[:MAX_NAME], job.asked, source, when)
            begun = begin(connection, job.node, request, self._retention, job)
            values: dict[str, object] = {
                "state": JobState.QUEUED.value,
                "attempt": job.attempt + 1,
                "installation": begun.installation,
                "holds": job_rows.holds(job.node, job.kind),
                "waits_for": "",
                "since": when,
                "deadline": None,
                "cancelling": False,
                "outcome": "",
                "ended": None,
                "changed": when,
                "due": when,
                "heard": True,
            }
            retried = job_rows.change(connection, number, values)
            line = f"{job.kind} is retried, asked by {by}: attempt {retried.attempt}"
            self._note(connection, retried, "retry", line, when)
            return retried

    def job(self, number: int, source: str = COMMAND_LINE) -> Job:
        """One job.

        Raises:
            Unknown: there is none of that number.
        """
        with transaction(self._quick) as connection:
            return job_rows.job_of(known(connection, number, source))

    def jobs(
        self,
        *,
        node: str | None = None,
        states: Collection[JobState] = (),
        kind: JobKind | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> Sequence[Job]:
        """Jobs, newest first.

        Args:
            node: only this one's.
            states: only in one of these; all where it is empty.
            kind: only of this one.
            after: only those older than this number, which was the last one given before.
            limit: at most so many, and at most ``job_rows.MAX_LISTED``.
        """
        with transaction(self._quick) as connection:
            wanted = job_rows.conditions(node, states, kind, after)
            return job_rows.listed(connection, wanted, limit)

    def job_counts(self) -> Mapping[tuple[JobKind, JobState], int]:
        """How many jobs of each kind are kept in each state; those with none are left out."""
        with transaction(self._quick) as connection:
            return job_rows.counts(connection)

    def memory(self, number: int, source: str = COMMAND_LINE) -> bytes:
        """What the runner of a job kept last.

        Raises:
            Unknown: there is none of that number.
        """
        with transaction(self._quick) as connection:
            return bytes(known(connection, number, source).memory)

    def _forget_jobs(
        self, connection: sa.Connection, node: str, source: str, has_cd: HasCd, now: float
    ) -> None:
        """The node is removed, so its jobs are cancelled.

        Raises:
            Conflict: nobody would take the virtual CD of one out of its BMC.
        """
        has_bmc = bmcs.read(connection, node) is not None
        for row in job_rows.live_rows(connection, [node]):
            if has_bmc:
                _refuse_left_in(row, source, has_cd, now)
            job = job_rows.job_of(row)
            self._closed(connection, job, JobState.CANCELLED, f"node {node} was removed", now)

    def _submitted(self, connection: sa.Connection, node: Node, request: Request) -> Job:
        if image := request.asked.get("image"):
            node = deployed(connection, node, str(image))
        if request.kind is JobKind.INSTALL and request.installing is not None:
            refuse_no_installer(node, request.installing, request.source)
        begun = begin(connection, node.name, request, self._retention)
        values: dict[str, object] = {
            "node": node.name,
            "kind": request.kind.value,
            "asker": request.by,
            "asked": dict(request.asked),
            "installation": begun.installation,
            "touched": begun.touched,
            "since": request.time,
            "created": request.time,
            "changed": request.time,
            "due": request.time,
            "key": _key(request, node.name),
            "holds": job_rows.holds(node.name, request.kind),
        }
        job = job_rows.insert(connection, values)
        line = f"{job.kind} is asked for by {job.by}: job {job.id}"
        self._note(connection, job, "queued", line, request.time)
        return job


def _refuse_left_in(row: sa.Row[Any], source: str, has_cd: HasCd, now: float) -> None:
    """A job's virtual CD is in its BMC, or may be by now; the text says what takes it out."""
    if has_cd(bytes(row.memory)):
        said = "has its virtual CD in its BMC"
    elif row.lease > now and JobKind(row.kind) not in BESIDE:
        said = "speaks to its BMC just now"
    else:
        return
    way = "and is being cancelled: wait until it has ended"
    if not row.cancelling:
        way = f"which `netboot job cancel {row.id}` ends"
    hint = f'or have nobody ask its BMC: netboot node set {row.node} --bmc ""'
    raise Conflict(source, "", f"node {row.node}: job {row.id} {said}, {way}, {hint}")


def _submitted_before(connection: sa.Connection, name: str, request: Request) -> Job | None:
    """The job that this very request made before.

    Raises:
        Conflict: the key was used for something else.
    """
    key = _key(request, name)
    there = None if key is None else job_rows.by_key(connection, key)
    if there is not None and (there.kind, there.asked) != (request.kind, request.asked):
        problem = f"was used for job {there.id}, which asks for something else"
        raise Conflict(request.source, "idempotency key", problem)
    return there


def _key(request: Request, name: str) -> str | None:
    return None if request.key is None else f"{request.key}/{name}"
