"""Where every event of the boot program goes: to control, to the screen, to the stage watch.

Machines come first: events are put in a queue and handed out a few at a time between the packets,
within half a second however many machines boot at once. Nothing here waits: the link queues, the
console writes one bounded line.

What a hostile network can repeat at will (a DISCOVER that nobody answers) is written down at most
once a minute a machine, and no machine, nor all strangers together, can write faster than an
allowance of their own: whoever invents MACs or repeats requests fills neither the disk nor the
screen. The rest is counted.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

PACE = 0.005
"""Seconds between two times that events are handed out, while there are any."""
SLICE = 10
"""What is handed out at a time, some 0.3 ms of work: few enough that no machine notices."""
MAX_WAITING = 1000
"""Exchanges and other events waiting to be handed out, half a second of them. Beyond that answered
questions are only counted, and of other events more are handed out at a time."""
STORM = 500
"""What waits when a storm begins: from then on a machine's same questions are one line."""
MAX_QUEUED = 10_000
"""Waiting events of every kind; beyond that they are only counted."""

_REPEATED = frozenset({Kind.IGNORED, Kind.NOT_SERVED, Kind.FAILED, Kind.ALARM})


class Sink(Protocol):
    """Takes events: the link to control, the console."""

    def __call__(self, event: Event, /) -> None:
        """Take ``event``; never waits, never raises."""


@dataclass(frozen=True, slots=True)
class Note:
    """What there is to write down, before it has a machine and a time."""

    kind: Kind
    detail: str
    data: Mapping[str, str | int]


@dataclass(slots=True)
class _Exchange:
    """An answered question that waits to be written down, and how often it was asked."""

    mac: Mac
    notes: tuple[Note, ...]
    time: float
    times: int = 1


Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after some seconds, such as a reactor's ``callLater``."""


def at_once(_seconds: float, call: Callable[[], None]) -> None:
    """The ``Later`` of who has no reactor."""
    call()


class Journal:
    """Makes events, hands them out, and notices the ones that do not come.

    Args:
        name_of: MAC → the node's name, None for an unknown machine.
        sinks: where events go.
        clock: seconds since the epoch.
        later: how to come back to what waits to be handed out.
    """

    def __init__(
        self,
        name_of: Callable[[Mac], str | None],
        sinks: list[Sink],
        clock: Callable[[], float] = time.time,
        later: Later = at_once,
    ) -> None:
        self._name_of = name_of
        self._sinks = sinks
        self._clock = clock
        self._later = later
        self._queue: deque[Event | _Exchange] = deque()
        self._open: dict[Mac, _Exchange] = {}
        self._coming = False
        self._watch = StageWatch()
        self._last: OrderedDict[tuple[Mac, Kind, str], float] = OrderedDict()
        self._ignored: OrderedDict[Mac, tuple[str | None, float]] = OrderedDict()
        self._nodes = RateLimit(NODE_EVENTS_PER_SECOND, NODE_BURST, MAX_ALLOWANCES)
        self._strangers = RateLimit(STRANGER_EVENTS_PER_SECOND, STRANGER_BURST, len(Kind))
        self.drops: Counter[str] = Counter()

    def record(self, kind: Kind, mac: Mac | None, detail: str, **data: str | int) -> None:
        """Write down one thing a machine asked or got."""
        if mac is not None:
            self._open.pop(mac, None)  # what it asks from now on comes after this
        note, node = Note(kind, detail, data), self._node(mac)
        if (event := self._event(note, mac, node, self._clock())) is not None:
            self._put(event)

    def exchanged(self, mac: Mac, notes: tuple[Note, ...]) -> None:
        """Write down a machine's question and its answer, or neither where too many wait.

        In a storm, what it asks again before that is written down is one line, which says how
        often: no machine takes the room of the others.
        """
        waiting = self._open.get(mac)
        if len(self._queue) >= STORM and waiting is not None and waiting.notes == notes:
            waiting.times += 1
        elif len(self._queue) >= MAX_WAITING:
            self.drops["journal: too many answered at once"] += 1
        else:
            self._open[mac] = exchange = _Exchange(mac, notes, self._clock())
            self._put(exchange)

    def tick(self) -> None:
        """Report the stages whose time is over; called about once a second."""
        for event in self._watch.expired(self._clock()):
            self._put(event)

    def flush(self) -> None:
        """Hand out everything that waits."""
        while self._queue:
            self._hand_out(self._queue.popleft())

    def _put(self, waiting: Event | _Exchange) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self.drops["journal: too many at once"] += 1
            return
        self._queue.append(waiting)
        self._come_back()

    def _come_back(self) -> None:
        if not self._coming:
            self._coming = True
            self._later(PACE, self._hand_out_some)

    def _hand_out_some(self) -> None:
        self._coming = False
        waiting = len(self._queue)
        try:
            for _ in range(min(waiting, max(SLICE, waiting - MAX_WAITING))):
                self._hand_out(self._queue.popleft())
        finally:
            if self._queue:
                self._come_back()

    def _hand_out(self, waiting: Event | _Exchange) -> None:
        if isinstance(waiting, Event):
            self._publish(waiting)
            return
        if self._open.get(waiting.mac) is waiting:
            del self._open[waiting.mac]
        node = self._node(waiting.mac)
        for note in waiting.notes:
            told = note if waiting.times == 1 else _repeated(note, waiting.times)
            if (event := self._event(told, waiting.mac, node, waiting.time)) is not None:
                self._publish(event)

    def _node(self, mac: Mac | None) -> str | None:
        return None if mac is None else self._name_of(mac)

    def _event(self, note: Note, mac: Mac | None, node: str | None, now: float) -> Event | None:
        """The event that ``note`` is, None where it is only counted."""
        kind, detail = note.kind, redact(note.detail)
        if mac is not None and self._is_noise(kind, mac, node, detail, now):
            self.drops[f"journal: repeated {kind.value}"] += 1
            return None
        if not self._is_affordable(kind, node, now):
            self.drops[f"journal: too many {kind.value}"] += 1
            return None
        return Event(kind, mac, node, detail, note.data, now)

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
        if kind is Kind.SYSLOG:
            return True  # whoever hears it has allowances of its own
        if node is None:
            return self._strangers.allows(kind, now)
        return self._nodes.allows(f"{node} {kind}", now)


def _lately(before: float, now: float) -> bool:
    return abs(now - before) < REPEAT_SECONDS  # a clock that was set back silences nobody


def _repeated(note: Note, times: int) -> Note:
    return Note(note.kind, f"{note.detail}, {times} times", {**note.data, "times": times})
