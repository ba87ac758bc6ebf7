"""Jobs followed until all of them ended: live on a terminal, a line for each change elsewhere.

What is shown is only looked at, so whoever stops looking stops nothing.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netboot.cli.job_words import age, ended, follow_up, stands
from netboot.config import Settings
from netboot.control.inventory import Inventory, open_inventory
from netboot.errors import OperationError
from netboot.event_text import harmless
from netboot.job import STEP, Job, JobKind, JobState
from netboot.stages.pace import Pace, pace

LOOK_EVERY = 1.0
"""Seconds between two looks."""
AWAY_FOR = 120.0
"""Seconds the control program may be away, as while it is restarted."""
LOOKED_BACK = 2_000
"""Events of a node in which its earlier installation is looked for."""
INTERRUPTED = 130
"""Exit code of a watch that somebody stopped: how the jobs end is not known."""

_LIVE = (JobState.QUEUED, JobState.ACTIVE)
_BOOTS = frozenset({JobKind.INSTALL, JobKind.RESCUE, JobKind.WIPE})
_BAR = 20  # columns of it
_HEAD = 3  # lines of a terminal that are not a job's


class _Screen(Protocol):
    def shows(self, jobs: Sequence[Job]) -> None:
        """Show where these jobs are; some may have ended."""


def watch(found: Settings, jobs: Sequence[Job], *, silent: bool = False) -> Sequence[Job]:
    """Show jobs until all of them ended.

    Args:
        found: where they are.
        jobs: which.
        silent: show nothing.

    Returns:
        the jobs as they ended; where somebody stopped the watch, as they were last.

    Raises:
        OperationError: the control program was away for longer than ``AWAY_FOR``.
    """
    known = {job.id: job for job in jobs}
    with _screen(found, jobs, silent=silent) as screen:
        screen.shows(list(known.values()))
        while any(not job.state.ended for job in known.values()):
            time.sleep(LOOK_EVERY)
            known |= _looked(found, known)
            screen.shows(list(known.values()))
    return list(known.values())


def watched(found: Settings, jobs: Sequence[Job], *, silent: bool = False) -> Sequence[Job]:
    """``watch`` for a command: Ctrl-C says that the jobs go on, and ends it."""
    try:
        return watch(found, jobs, silent=silent)
    except KeyboardInterrupt:
        click.echo(f"the jobs go on; {follow_up(jobs)}", err=True)
        sys.exit(INTERRUPTED)


def _looked(found: Settings, known: Mapping[int, Job]) -> dict[int, Job]:
    """The jobs as they are now."""
    deadline = time.monotonic() + AWAY_FOR
    while True:
        try:
            with open_inventory(found) as inventory:
                return _now(inventory, known)
        except OperationError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK_EVERY)


def _now(inventory: Inventory, known: Mapping[int, Job]) -> dict[int, Job]:
    live = {job.id: job for job in inventory.jobs.list(states=_LIVE)}
    waiting = [number for number, job in known.items() if not job.state.ended]
    return {number: live.get(number) or inventory.jobs.get(number) for number in waiting}


@contextlib.contextmanager
def _screen(found: Settings, jobs: Sequence[Job], *, silent: bool) -> Iterator[_Screen]:
    console = Console()
    if silent:
        yield _Silent()
    elif console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield _Live(live, _paces(found, jobs))
    else:
        yield _Lines()


def _paces(found: Settings, jobs: Sequence[Job]) -> Mapping[str, Pace]:
    """Of each node that boots for its job."""
    with open_inventory(found) as inventory:
        return {
            job.node: pace(
                record.event for record in inventory.timeline(job.node, None, LOOKED_BACK)
            )
            for job in jobs
            if job.kind in _BOOTS
        }


class _Silent:
    """For JSON, which comes at the end."""

    def shows(self, jobs: Sequence[Job]) -> None:
        """Nothing."""


class _Lines:
    """One line whenever a job stands elsewhere."""

    def __init__(self) -> None:
        self._said: dict[int, str] = {}

    def shows(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            line = stands(job)
            if self._said.get(job.id) != line:
                self._said[job.id] = line
                click.echo(f"{job.node}: {line}", err=job.state is JobState.FAILED)


class _Live:
    """What ended stands above; below it a table of those that did not."""

    def __init__(self, live: Live, paces: Mapping[str, Pace]) -> None:
        self._live = live
        self._paces = paces
        self._over: set[int] = set()

    def shows(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.state.ended and job.id not in self._over:
                self._over.add(job.id)
                style = "" if job.state is JobState.DONE else "red"
                line = Text(f"{job.node}: {ended(job)}", style=style)
                self._live.console.print(line, soft_wrap=True)
        self._live.update(self._table([job for job in jobs if not job.state.ended]), refresh=True)

    def _table(self, jobs: Sequence[Job]) -> Table:
        now, room = time.time(), max(1, self._live.console.height - _HEAD)
        table = Table("NODE", "JOB", "STAGE", "", "LEFT", "WAITS FOR", box=None, pad_edge=False)
        for job in jobs[:room]:
            stage = harmless((job.stage or job.state).replace("-", " "))
            waits_for = Text(harmless(job.waits_for), overflow="ellipsis", no_wrap=True)
            table.add_row(job.node, str(job.id), stage, *self._guess(job, now), waits_for)
        if len(jobs) > room:
            table.caption = f"and {len(jobs) - room} more"
        return table

    def _guess(self, job: Job, now: float) -> tuple[ProgressBar | str, str]:
        """The bar, and what may be left."""
        own = self._paces.get(job.node)
        if own is None or job.stage.startswith(STEP):
            return "", ""
        elapsed = max(now - job.since, 0.0) if job.since else 0.0
        bar = ProgressBar(1.0, own.share(job.stage, elapsed), _BAR)
        return bar, f"{'' if own.known else 'about '}{age(own.left(job.stage, elapsed))}"
