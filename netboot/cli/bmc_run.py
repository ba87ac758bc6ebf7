"""The same done to many machines at a time, and shown while it is done.

On a terminal a table says who is where; elsewhere each machine is one line when it is done. A
failure is one line on stderr, in the BMC's own words.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from netboot.cli.pairs import json
from netboot.control.bmc_shapes import Answer
from netboot.errors import ConfigError, NetbootError
from netboot.event_text import harmless

MOST_AT_ONCE = 256
"""Machines acted on at a time by one command; the control program has the same bound."""
REFRESH = 0.5
"""Seconds between two looks at who is where."""
_HEAD = 4  # lines of a terminal that are not a machine's

Work = Callable[[str], Answer]
"""Does it to the machine of that name; NetbootError where it failed."""
Look = Callable[[], Mapping[str, str]]
"""What happened last with each machine that is being acted on."""
Done = tuple[str, Answer | BaseException]


class _Screen(Protocol):
    def done(self, line: str, *, failed: bool) -> None:
        """Say what became of one machine."""

    def look(self, waiting: int, since: Mapping[str, float]) -> None:
        """Show who is where; ``since`` is when each began."""


def run(names: Sequence[str], work: Work, look: Look, *, as_json: bool) -> int:
    """Do ``work`` to every machine, and print what became of it.

    Returns:
        how many failed.

    Raises:
        ConfigError: what was asked is wrong, in the same words for all of them.
    """
    results: dict[str, Answer | NetbootError] = {}
    with _screen(look, len(names), as_json=as_json) as screen:
        for name, found in _each(names, work, screen):
            if not isinstance(found, Answer | NetbootError):
                raise found
            results[name] = found
            if not isinstance(found, ConfigError):
                _say(screen, name, found)
        wrong = {name: one for name, one in results.items() if isinstance(one, ConfigError)}
        if len(wrong) == len(names) and len({str(one) for one in wrong.values()}) == 1:
            raise wrong[names[0]]
        for name, problem in wrong.items():
            _say(screen, name, problem)
    if as_json:
        click.echo(json([_document(name, results[name]) for name in names]))
    return sum(isinstance(one, NetbootError) for one in results.values())


def _say(screen: _Screen, name: str, found: Answer | NetbootError) -> None:
    if isinstance(found, NetbootError):
        screen.done(f"{name}: failed: {harmless(str(found))}", failed=True)
    else:
        screen.done(f"{name}: {harmless(found.words)}", failed=False)


def _each(names: Sequence[str], work: Work, screen: _Screen) -> Iterator[Done]:
    """The results as they come; threads are not waited for when somebody gives up."""
    todo: SimpleQueue[str] = SimpleQueue()
    results: SimpleQueue[Done] = SimpleQueue()
    since: dict[str, float] = {}
    for name in names:
        todo.put(name)

    def worker() -> None:
        with contextlib.suppress(Empty):
            while True:
                name = todo.get_nowait()
                since[name] = time.monotonic()
                try:
                    results.put((name, work(name)))
                except BaseException as error:  # noqa: BLE001 -- it is raised where it is looked at
                    results.put((name, error))

    for _ in range(min(MOST_AT_ONCE, len(names))):
        threading.Thread(target=worker, daemon=True).start()
    for _ in names:
        while True:
            try:
                name, found = results.get(timeout=REFRESH)
                break
            except Empty:
                screen.look(todo.qsize(), dict(since))
        since.pop(name, None)
        yield name, found


@contextlib.contextmanager
def _screen(look: Look, count: int, *, as_json: bool) -> Iterator[_Screen]:
    console = Console()
    if as_json:
        yield _Silent()
    elif console.is_terminal and sys.stderr.isatty():
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield _Live(live, look, count)
    else:
        yield _Lines()


class _Silent:
    """JSON comes at the end, and has the failures in it."""

    def done(self, line: str, *, failed: bool) -> None:
        """Nothing yet."""

    def look(self, waiting: int, since: Mapping[str, float]) -> None:
        """Nothing."""


class _Lines:
    """One line a machine."""

    def done(self, line: str, *, failed: bool) -> None:
        click.echo(line, err=failed)

    def look(self, waiting: int, since: Mapping[str, float]) -> None:
        """A log has no use for it."""


class _Live:
    """What is done stands above; below it a table of those that are not."""

    def __init__(self, live: Live, look: Look, count: int) -> None:
        self._live = live
        self._look = look
        self._count = count
        self._done = 0
        self._failed = 0

    def done(self, line: str, *, failed: bool) -> None:
        self._done += 1
        self._failed += failed
        style = "red" if failed else ""
        self._live.console.print(Text(line, style=style), soft_wrap=True)

    def look(self, waiting: int, since: Mapping[str, float]) -> None:
        with contextlib.suppress(NetbootError):  # the work itself says what is wrong
            words = self._look()
            self._live.update(self._table(waiting, since, words), refresh=True)

    def _table(self, waiting: int, since: Mapping[str, float], words: Mapping[str, str]) -> Group:
        now, room = time.monotonic(), max(1, self._live.console.height - _HEAD)
        table = Table("NODE", "SECONDS", "WHERE", box=None, pad_edge=False)
        for name, began in list(since.items())[:room]:
            where = Text(harmless(words.get(name, "is asked")), overflow="ellipsis", no_wrap=True)
            table.add_row(name, f"{now - began:.0f}", where)
        counts = f"{self._done} of {self._count} done, {self._failed} failed, {waiting} waiting"
        return Group(table, Text(counts, style="dim"))


def _document(name: str, found: Answer | NetbootError) -> dict[str, Any]:
    if isinstance(found, NetbootError):
        return {"node": name, "error": str(found)}
    table: dict[str, Any] = msgspec.to_builtins(found)
    return table
