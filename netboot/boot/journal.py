"""Where every event of the boot program goes: to control, to the screen, to the stage watch.

Nothing here waits: the link queues, the console writes one bounded line. What a hostile network
can repeat at will (a DISCOVER that nobody answers) is written down at most once a minute a
machine; the rest is counted.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages import StageWatch

REPEAT_SECONDS = 60.0
"""How long the same unanswered question of one machine is only counted."""
MAX_REMEMBERED = 65_536
"""Machines whose last unanswered question, or last address, is remembered; oldest go first."""

_REPEATED = frozenset({Kind.IGNORED, Kind.NOT_SERVED})


class Sink(Protocol):
    """Takes events: the link to control, the console."""

    def __call__(self, event: Event) -> None:
        """Take ``event``; never waits, never raises."""


class Journal:
    """Makes events, hands them out, and notices the ones that do not come.

    Args:
        name_of: MAC → the node's name, None for an unknown machine.
        sinks: where events go.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        name_of: Callable[[Mac], str | None],
        sinks: list[Sink],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name_of = name_of
        self._sinks = sinks
        self._clock = clock
        self._watch = StageWatch()
        self._last: OrderedDict[tuple[Mac, Kind, str], float] = OrderedDict()
        self.drops: Counter[str] = Counter()

    def record(self, kind: Kind, mac: Mac | None, detail: str, **data: str | int) -> None:
        """Write down one thing a machine asked or got."""
        now = self._clock()
        if kind in _REPEATED and mac is not None and self._is_repeat((mac, kind, detail), now):
            self.drops[f"journal: repeated {kind.value}"] += 1
            return
        node = self._name_of(mac) if mac is not None else None
        self._publish(Event(kind, mac, node, detail, data, now))

    def tick(self) -> None:
        """Report the stages whose time is over; called about once a second."""
        for event in self._watch.expired(self._clock()):
            self._publish(event)

    def _publish(self, event: Event) -> None:
        self._watch.observe(event, event.time)
        for sink in self._sinks:
            sink(event)

    def _is_repeat(self, key: tuple[Mac, Kind, str], now: float) -> bool:
        before = self._last.get(key)
        if before is not None and now - before < REPEAT_SECONDS:
            return True
        self._last[key] = now
        self._last.move_to_end(key)
        if len(self._last) > MAX_REMEMBERED:
            self._last.popitem(last=False)
        return False
