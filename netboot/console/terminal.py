"""A terminal's view: each machine has one line with a mark per stage, redrawn in place.

The lines that still change stand at the bottom. What is over scrolls up and stays: the lines of
machines that had to make room, finished boots whose machine starts anew, and troubles in full.
Only cursor movements every terminal knows (ECMA-48 CPL and ED) are used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import terminal_size

from netboot.event_text import Marks, clock, event_line, harmless, who
from netboot.events import Event, Kind
from netboot.stages import Boot, machine, marks

LIVE_LINES = 12
"""Machines whose lines are redrawn; fewer where the screen is lower."""

_ROWS_FOR_OTHERS = 2
_IN_FULL = frozenset({Kind.FAILED, Kind.STALLED, Kind.LOST})


@dataclass(slots=True)
class _Live:
    line: str
    touched: int
    begun: float


class Terminal:
    """Draws.

    Args:
        write: takes text that may move the cursor.
        size: the screen's columns and lines now.
        signs: the marks it can show.
    """

    def __init__(
        self, write: Callable[[str], None], size: Callable[[], terminal_size], signs: Marks
    ) -> None:
        self._write = write
        self._size = size
        self._signs = signs
        self._live: dict[str, _Live] = {}
        self._drawn = 0
        self._turn = 0

    def event(self, event: Event, boot: Boot | None) -> None:
        """Show ``event``, which brought its machine's boot to ``boot``."""
        over = []
        key = machine(event)
        if key is None or event.kind in _IN_FULL:
            over.append(event_line(event, self._signs))
        if key is not None and boot is not None:
            if key in self._live and self._live[key].begun != boot.begun:
                over.insert(0, self._live.pop(key).line)
            self._turn += 1
            progress = marks(boot).text(self._signs.came, self._signs.missing, self._signs.arrow)
            line = f"{clock(event.time)} {who(event)}  {harmless(progress)}"
            self._live.setdefault(key, _Live(line, 0, boot.begun)).line = line
            self._live[key].touched = self._turn
        self._draw(over)

    def text(self, line: str) -> None:
        """Show ``line`` for good."""
        self._draw([line])

    def _draw(self, over: list[str]) -> None:
        size = self._size()
        room = max(1, min(LIVE_LINES, size.lines - _ROWS_FOR_OTHERS))
        while len(self._live) > room:
            oldest = min(self._live, key=lambda key: self._live[key].touched)
            over.append(self._live.pop(oldest).line)
        live = [entry.line[: max(1, size.columns - 1)] for entry in self._live.values()]
        back = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        self._drawn = len(live)
        self._write(back + "".join(f"{line}\n" for line in (*over, *live)))
