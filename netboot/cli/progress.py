"""Long work on the command line: a bar with an estimate on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from netboot.media.progress import Progress

_MB = 1_000_000


def shown() -> AbstractContextManager[Progress]:
    """Show the bytes of each stage: a bar of its own on a terminal, one line elsewhere."""
    return _shown(DownloadColumn(), TimeRemainingColumn(), said=megabytes, whole=False)


def timed() -> AbstractContextManager[Progress]:
    """Show the seconds of the whole: one bar on a terminal, a line for each stage elsewhere."""
    return _shown(TaskProgressColumn(), _Left(), said=None, whole=True)


@contextmanager
def _shown(
    *columns: ProgressColumn, said: Callable[[int], str] | None, whole: bool
) -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(said)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # elsewhere results belong to stdout, not the bar
    ) as bars:
        yield _Bar(bars, whole=whole)


class _Lines:
    """One plain line for each stage, on stderr; ``said``: of how much, None where it is a time."""

    def __init__(self, said: Callable[[int], str] | None) -> None:
        self._said = said
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage == self._stage:
            return
        self._stage = stage
        more = self._said(total) if self._said and total else left(total - done) if total else ""
        click.echo(f"{stage} ({more})" if more else stage, err=True)


class _Bar:
    """One bar: of the stage that runs, or of the ``whole``."""

    def __init__(self, bars: Bars, *, whole: bool) -> None:
        self._bars = bars
        self._whole = whole
        self._stage = ""
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if self._task is None or (stage != self._stage and not self._whole):
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(stage, total=total)
        self._stage = stage
        self._bars.update(self._task, description=stage, completed=done, total=total)


class _Left(ProgressColumn):
    """What is left of a task that counts seconds."""

    def render(self, task: Task) -> Text:
        return Text("" if task.remaining is None else left(int(task.remaining)))


def left(seconds: int) -> str:
    """A guess of the time that is left, for a person."""
    return f"about {seconds // 60}:{seconds % 60:02} left"


def megabytes(size: int) -> str:
    """``size`` bytes for a person."""
    return f"{size / _MB:.1f} MB"
