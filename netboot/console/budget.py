"""How much may be printed: a hostile network must neither fill the log nor drown a good machine.

Three token buckets, all of which must agree: one for everything, a much smaller one that all
unknown machines share (a MAC is free to invent, a registered one is not), one for each machine.
A burst lets a rack boot at once; the sustained rate bounds a day to some 175,000 lines, whatever
the network does.
"""

from collections import OrderedDict
from dataclasses import dataclass

from netboot.events import Event
from netboot.stages import machine

MAX_MACHINES = 1024
"""Machines with a bucket of their own; the one longest silent is forgotten first."""
SUMMARY_EVERY = 60.0
"""Seconds between two lines that say how much was left out."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Lines at once, and lines a second after that."""

    burst: float
    sustained: float


OVERALL = Allowance(burst=5000, sustained=2.0)
UNKNOWN = Allowance(burst=100, sustained=0.1)
ONE_MACHINE = Allowance(burst=60, sustained=0.2)


class _Bucket:
    __slots__ = ("_allowance", "_at", "_tokens")

    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._tokens = allowance.burst
        self._at = now

    def has_one(self, now: float) -> bool:
        elapsed = max(0.0, now - self._at)  # a clock that is set back refills nothing
        refilled = self._tokens + elapsed * self._allowance.sustained
        self._tokens = min(self._allowance.burst, refilled)
        self._at = now
        return self._tokens >= 1

    def take(self) -> None:
        self._tokens -= 1


class Budget:
    """Decides which events are printed, by their own times, and counts the others."""

    def __init__(self) -> None:
        self._overall = _Bucket(OVERALL, 0.0)
        self._unknown = _Bucket(UNKNOWN, 0.0)
        self._machines: OrderedDict[str, _Bucket] = OrderedDict()
        self._left_out = 0
        self._since = 0.0

    def allows(self, event: Event) -> bool:
        """Whether ``event`` may be printed; if so it is charged for."""
        now = event.time
        buckets = [self._overall]
        if event.node is None:
            buckets.append(self._unknown)
        if (key := machine(event)) is not None:
            buckets.append(self._bucket_of(key, now))
        if not all(bucket.has_one(now) for bucket in buckets):
            if not self._left_out:
                self._since = now
            self._left_out += 1
            return False
        for bucket in buckets:
            bucket.take()
        return True

    def summary(self, now: float) -> str | None:
        """One line about what was left out, at most every ``SUMMARY_EVERY`` seconds."""
        if not self._left_out or now - self._since < SUMMARY_EVERY:
            return None
        line = (
            f"{self._left_out} events were not shown in the last {now - self._since:.0f} s: "
            "there were too many"
        )
        self._left_out = 0
        return line

    def _bucket_of(self, key: str, now: float) -> _Bucket:
        bucket = self._machines.setdefault(key, _Bucket(ONE_MACHINE, now))
        self._machines.move_to_end(key)
        if len(self._machines) > MAX_MACHINES:
            self._machines.popitem(last=False)
        return bucket
