"""Whether a job may begin, and what that is to its node; in the caller's transaction."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import ERASING, Illegal, beginning
from netboot.model import State
from netboot.store import job_rows, transitions
from netboot.store.installations import next_installation
from netboot.store.job_shapes import Request
from netboot.store.retention import Retention
from netboot.store.shapes import Conflict
from netboot.store.transitions import Standing, Why


class Begun(NamedTuple):
    """What a job begins with.

    Attributes:
        installation: the number of the one that it does, 0 for none.
        touched: the node was at it before there was a job, so that its disk may be touched.
    """

    installation: int
    touched: bool


_NUMBERED = (JobKind.INSTALL, JobKind.WIPE)
"""Kinds whose machine calls home, by the number of what it does."""


def begin(
    connection: sa.Connection,
    name: str,
    request: Request,
    keep: Retention,
    again: Job | None = None,
) -> Begun:
    """Take a node on for a job that begins.

    Args:
        connection: the caller's.
        name: the node's.
        request: for what.
        keep: how much of the timeline is kept.
        again: the job, where it is begun again.

    Raises:
        Unknown: there is no such node.
        Conflict: its state does not allow it, or another job for it has not ended.
    """
    kind, source = request.kind, request.source
    before = transitions.standing(connection, name, source)
    held = job_rows.holds(name, kind)
    live = job_rows.live(connection, [name])
    refuse_another([job for job in live if job_rows.holds(name, job.kind) == held], source)
    try:
        cause = beginning(before.state, kind)
    except Illegal as problem:
        raise Conflict(source, "", f"node {name}: {problem}") from None
    if kind is JobKind.INSTALL and again is not None:
        _refuse_overtaken(again, before, source)
    number = _number(before, request, again)
    if cause is not None:
        why = Why(request.by, time=request.time)
        transitions.move(connection, before, cause, keep, source, why, installation=number)
    return Begun(number if kind in _NUMBERED else 0, before.state in ERASING)


def refuse_another(jobs: Sequence[Job], source: str) -> None:
    """A job that has not ended is in the way.

    Raises:
        Conflict: there is one; the text says how to end it.
    """
    if jobs:
        job = jobs[0]
        said = f"node {job.node} has job {job.id} ({job.kind}), which has not ended"
        raise Conflict(source, "", f"{said}: netboot job cancel {job.id}")


def _number(before: Standing, request: Request, again: Job | None) -> int:
    """The number that the node's installation has then."""
    if request.kind is JobKind.WIPE:
        return before.installation + 1
    if request.kind is not JobKind.INSTALL or again is not None:
        return before.installation
    reinstall = bool(request.asked.get("reinstall"))
    return next_installation(before, request.source, reinstall=reinstall)


def _refuse_overtaken(job: Job, before: Standing, source: str) -> None:
    """An installation that another has followed, or that came to its end after all, is over.

    Raises:
        Conflict: it is.
    """
    said = ""
    erases = job.state is JobState.CANCELLED and job.asked.get("reinstall")
    if job.installation != before.installation:
        said = f"another installation of node {job.node} was asked for since job {job.id}"
    elif before.state is State.INSTALLED and not erases:
        said = f"node {job.node} came to be installed since job {job.id} ended"
    if said:
        raise Conflict(source, "", f"{said}; ask for a new one")
