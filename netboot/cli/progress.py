"""Long work on the command line: a bar with an estimate on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from netboot.media.progress import Progress

_MB = 1_000_000


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress: a bar with an estimate on a terminal, one line a stage elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # elsewhere results belong to stdout, not the bar
    ) as bars:
        yield _Bar(bars)


class _Lines:
    """One plain line for each stage, on stderr."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:  # noqa: ARG002 -- Progress
        if stage != self._stage:
            self._stage = stage
            size = f" ({megabytes(total)})" if total else ""
            click.echo(f"{stage}{size}", err=True)


class _Bar:
    """One bar, of the stage that runs."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._stage = ""
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage or self._task is None:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._stage, self._task = stage, self._bars.add_task(stage, total=total)
        self._bars.update(self._task, completed=done, total=total)


def megabytes(size: int) -> str:
    """``size`` bytes for a person."""
    return f"{size / _MB:.1f} MB"
