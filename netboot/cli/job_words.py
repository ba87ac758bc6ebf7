"""A job in words."""

from collections.abc import Mapping, Sequence

from netboot.event_text import clock, harmless
from netboot.job import Job, JobKind, JobState

_FIRST = {
    JobKind.INSPECT: "its BMC is asked what the machine is",
    JobKind.POWER: "its BMC switches it",
}
_DONE = {
    JobKind.INSTALL: "installed",
    JobKind.INSPECT: "inspected",
    JobKind.RESCUE: "in rescue",
    JobKind.WIPE: "erased",
    JobKind.POWER: "switched",
}


def begins(job: Job, bmcs: Mapping[str, object]) -> str:
    """What a job does first.

    Args:
        job: a new one.
        bmcs: the nodes that have a BMC.
    """
    if job.kind in _FIRST:
        return _FIRST[job.kind]
    if job.node in bmcs and job.asked.get("power", True):
        return "its BMC has it boot from the network once, and restarts it"
    return "waits for the machine: switch it on, or restart it, and have it boot from the network"


def ended(job: Job) -> str:
    """How a job ended, such as ``installed: it called home``."""
    word = _DONE[job.kind] if job.state is JobState.DONE else job.state.value
    return harmless(f"{word}: {job.outcome}" if job.outcome else word)


def stands(job: Job) -> str:
    """Where a job stands, or how it ended."""
    if job.state.ended:
        return ended(job)
    stage = (job.stage or job.state).replace("-", " ")
    said = f"{stage}: waits for {job.waits_for}" if job.waits_for else stage
    return harmless(_leaving(job, said))


def rows(jobs: Sequence[Job], now: float) -> list[tuple[str, ...]]:
    """Jobs as a table's rows, the first being its titles."""
    titles = ("JOB", "NODE", "KIND", "STATE", "AGE", "WHERE")
    found = [
        (str(job.id), job.node, job.kind, job.state, age(now - job.created), stands(job))
        for job in jobs
    ]
    return [titles, *found]


def lines(job: Job) -> list[tuple[str, str]]:
    """All that there is to know of a job: titles and values."""
    known = [
        ("job", str(job.id)),
        ("node", job.node),
        ("kind", job.kind),
        ("state", job.state if job.state.ended else _leaving(job, job.state)),
        ("asked by", job.by),
        ("asked", " ".join(f"{key}={_value(value)}" for key, value in job.asked.items())),
        ("begun", clock(job.created, dated=True)),
        ("attempt", str(job.attempt)),
        ("stage", "" if job.state.ended else job.stage),
        ("since", "" if job.state.ended or not job.since else clock(job.since, dated=True)),
        ("waits for", "" if job.state.ended else job.waits_for),
        ("until", "" if job.deadline is None or job.ended else clock(job.deadline, dated=True)),
        ("ended", "" if job.ended is None else clock(job.ended, dated=True)),
        ("outcome", job.outcome),
    ]
    return [(title, harmless(value)) for title, value in known if value]


def age(seconds: float) -> str:
    """A span of time, roughly: ``40 s``, ``12 min``, ``3 h``, ``2 d``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def follow_up(jobs: Sequence[Job]) -> str:
    """How to see what becomes of jobs, or to end them."""
    numbers = " ".join(str(job.id) for job in jobs)
    return f"follow: netboot job watch {numbers}; end: netboot job cancel {numbers}"


def _leaving(job: Job, said: str) -> str:
    return f"{said} (is being cancelled)" if job.cancelling else said


def _value(value: str | int | bool) -> str:  # noqa: FBT001 -- what a job may be asked
    return str(value).lower() if isinstance(value, bool) else str(value)
