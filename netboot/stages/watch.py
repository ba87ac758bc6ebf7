"""Many boots and a clock: says once per boot which stage did not come in time.

``now`` is handed in, in seconds of any clock that does not run backwards. A boot that starts over
while a stage was awaited is stalled there at once: the machine gave up before the deadline did.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, replace

from netboot.events import Event, Kind
from netboot.guide import see
from netboot.stages.boot import Boot, follow, machine, wait_of
from netboot.stages.stage import Stage, Wait
from netboot.stages.table import REFUSED, WAITS

MAX_MACHINES = 4096
"""Registered machines watched at once, and as many unknown ones; some 1 KB each."""

_NOTHING_TO_EXPECT = frozenset({Kind.DISCOVER, Kind.IGNORED})


@dataclass(frozen=True, slots=True)
class _Watched:
    """One machine: its boot, its latest event and when that came, when the stage was reached."""

    boot: Boot
    latest: Event
    heard: float
    since: float


class StageWatch:
    """Turns silence into ``STALLED`` events.

    Args:
        max_machines: how many registered machines are watched at once, and how many unknown
            ones. When one too many comes, the one of its kind that was silent longest is
            forgotten: a flood of invented addresses pushes out no registered machine.
    """

    def __init__(self, *, max_machines: int = MAX_MACHINES) -> None:
        self._max = max_machines
        self._registered: OrderedDict[str, _Watched] = OrderedDict()
        self._unknown: OrderedDict[str, _Watched] = OrderedDict()
        # a stage's patience is constant, so each queue stands in the order of its deadlines
        self._due: dict[Stage, OrderedDict[str, float]] = {stage: OrderedDict() for stage in WAITS}
        self._gave_up: deque[tuple[float, Event]] = deque(maxlen=max_machines)

    def __len__(self) -> int:
        """How many machines are watched."""
        return len(self._registered) + len(self._unknown)

    def observe(self, event: Event, now: float) -> None:
        """Take one event that came at ``now``; one without a machine is of no concern here."""
        key = machine(event)
        if key is None:
            return
        if event.node and event.mac is not None and event.mac in self._unknown:
            self._forget(self._unknown, event.mac)  # it was registered meanwhile
        table = self._registered if event.node else self._unknown
        before = table.pop(key, None)
        boot = follow(before.boot if before else None, event)
        if before and boot.gave_up:
            late = _stalled(
                before, now, "before the machine started over", _gave_up_on(before, now)
            )
            self._gave_up.append((now, late))
        since = before.since if before and _goes_on_waiting(before.boot, boot) else now
        self._set_deadline(key, before, boot, since)
        if boot.trouble and _NOTHING_TO_EXPECT.issuperset(boot.seen):
            return  # an ignored machine need not be remembered
        table[key] = _Watched(boot, event, now, since)
        if len(table) > self._max:
            self._forget(table, next(iter(table)))

    def expired(self, now: float) -> list[Event]:
        """The machines whose next stage is overdue at ``now``, as ``STALLED`` events.

        Their ``data`` holds ``stage`` (a ``Stage``'s slug), ``after`` (the kind that came last)
        and ``waited`` (whole seconds).
        """
        events = [event for _, event in self._gave_up]
        self._gave_up.clear()
        for queue in self._due.values():
            while queue and next(iter(queue.values())) <= now:
                key, _deadline = queue.popitem(last=False)
                table = self._registered if key in self._registered else self._unknown
                late = table[key]
                wait = wait_of(late.boot)
                event = _stalled(late, now, f"within {wait.seconds:.0f} s", wait)
                table[key] = replace(late, boot=follow(late.boot, event))
                events.append(event)
        return events

    def next_deadline(self) -> float | None:
        """When ``expired`` next has something to say; None while nothing is awaited."""
        deadlines = [next(iter(queue.values())) for queue in self._due.values() if queue]
        deadlines += [at for at, _ in self._gave_up]
        return min(deadlines, default=None)

    def _set_deadline(self, key: str, before: _Watched | None, boot: Boot, since: float) -> None:
        if before and _goes_on_waiting(before.boot, boot):
            return
        if before and before.boot.waiting:
            del self._due[before.boot.stage][key]
        if boot.waiting:
            self._due[boot.stage][key] = since + WAITS[boot.stage].seconds

    def _forget(self, table: OrderedDict[str, _Watched], key: str) -> None:
        boot = table.pop(key).boot
        if boot.waiting:
            del self._due[boot.stage][key]


def _goes_on_waiting(before: Boot, boot: Boot) -> bool:
    """Whether the deadline stands: nothing came but what had come already."""
    return before.waiting and boot.waiting and before.stage is boot.stage and not boot.gave_up


def _gave_up_on(late: _Watched, now: float) -> Wait:
    if late.boot.stage is Stage.IPXE and now - late.since <= REFUSED.seconds:
        return REFUSED
    return wait_of(late.boot)


def _stalled(late: _Watched, now: float, when: str, wait: Wait) -> Event:
    cure = wait.cure.replace("NAME", late.latest.node or "NAME")
    return Event(
        Kind.STALLED,
        late.latest.mac,
        late.latest.node,
        f"{wait.missing} {when}. Usual cause: {wait.cause}. Cure: {cure}; "
        f"{see(f'stalled-{late.boot.stage.slug}')}",
        {
            "stage": late.boot.stage.slug,
            "after": late.latest.kind.value,
            "waited": int(now - late.since),
        },
        late.latest.time + now - late.heard,
    )
