"""Where every event of the boot program goes: to control, to the screen, to the stage watch.

Nothing here waits: the link queues, the console writes one bounded line. What a hostile network
can repeat at will (a DISCOVER that nobody answers) is written down at most once a minute a
machine, and no machine, nor all strangers together, can write faster than an allowance of their
own: whoever invents MACs or repeats requests fills neither the disk nor the screen. The rest is
counted.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

from netboot.answer.tokens import redact
from netboot.boot.rate import RateLimit
from netboot.boot.tables import remember
from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages import StageWatch

REPEAT_SECONDS = 60.0
"""How long the same unanswered question of one machine is only counted."""
MAX_QUESTIONS = 4096
"""Unanswered questions that are remembered; one that is forgotten is written down once more, and
the allowances bound that."""

NODE_EVENTS_PER_SECOND, NODE_BURST = 2.0, 200
"""Events of one kind that one registered machine may write; a whole boot is a dozen of them."""
STRANGER_EVENTS_PER_SECOND, STRANGER_BURST = 5.0, 500
"""Events of one kind that all machines nobody registered may write together."""
MAX_ALLOWANCES = 32_768
"""Kinds of events of registered machines whose allowance is remembered."""


_REPEATED = frozenset({Kind.IGNORED, Kind.NOT_SERVED, Kind.FAILED, Kind.ALARM})


class Sink(Protocol):
    """Takes events: the link to control, the console."""

    def __call__(self, event: Event, /) -> None:
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
        self._ignored: OrderedDict[Mac, tuple[str | None, float]] = OrderedDict()
        self._nodes = RateLimit(NODE_EVENTS_PER_SECOND, NODE_BURST, MAX_ALLOWANCES)
        self._strangers = RateLimit(STRANGER_EVENTS_PER_SECOND, STRANGER_BURST, len(Kind))
        self.drops: Counter[str] = Counter()

    def record(self, kind: Kind, mac: Mac | None, detail: str, **data: str | int) -> None:
        """Write down one thing a machine asked or got."""
        now = self._clock()
        node = self._name_of(mac) if mac is not None else None
        detail = redact(detail)
        if mac is not None and self._is_noise(kind, mac, node, detail, now):
            self.drops[f"journal: repeated {kind.value}"] += 1
            return
        if not self._is_affordable(kind, node, now):
            self.drops[f"journal: too many {kind.value}"] += 1
            return
        self._publish(Event(kind, mac, node, detail, data, now))

    def tick(self) -> None:
        """Report the stages whose time is over; called about once a second."""
        for event in self._watch.expired(self._clock()):
            self._publish(event)

    def _publish(self, event: Event) -> None:
        self._watch.observe(event, event.time)
        for sink in self._sinks:
            sink(event)

    def _is_noise(self, kind: Kind, mac: Mac, node: str | None, detail: str, now: float) -> bool:
        """Whether the same was written down lately; a machine that is ignored goes on asking."""
        if kind is Kind.DISCOVER:
            asked = self._ignored.get(mac)
            return asked is not None and asked[0] == node and _lately(asked[1], now)
        if kind not in _REPEATED:
            self._ignored.pop(mac, None)
            return False
        key = (mac, kind, detail)
        if key in self._last and _lately(self._last[key], now):
            return True
        remember(self._last, key, now, at_most=MAX_QUESTIONS)
        if kind is Kind.IGNORED:
            remember(self._ignored, mac, (node, now), at_most=MAX_QUESTIONS)
        return False

    def _is_affordable(self, kind: Kind, node: str | None, now: float) -> bool:
        """Kind by kind, so that no flood of one hides another, least of all an alarm."""
        if node is None:
            return self._strangers.allows(kind.value, now)
        return self._nodes.allows(f"{node} {kind.value}", now)


def _lately(before: float, now: float) -> bool:
    return abs(now - before) < REPEAT_SECONDS  # a clock that was set back silences nobody
