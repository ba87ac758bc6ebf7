"""What boot programs say of themselves: what they counted, where they serve, whom they heard.

Counts of a run never go back; those of the longest silent runs are summed up, so that any number of
restarts takes no more room.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from netboot.frames import Counts

MAX_REASONS = 256
"""Reasons of one boot program that are told apart; it has some fifty."""
MAX_INSTANCES = 16
"""Runs of boot programs whose counts are kept; those of the longest silent are summed up."""
MAX_INTERFACES = 64
MAX_SERVERS = 64
"""Of one boot program that are kept, each."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What all runs counted.

    Attributes:
        dropped: by reason.
        dhcp: network boot requests by ``"x64 offered"``.
        tftp_bytes: acknowledged by machines.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    dhcp: Counter[str] = field(default_factory=Counter)
    tftp_bytes: int = 0

    def and_of(self, counts: Counts) -> "Totals":
        """These and one run's."""
        return Totals(
            self.dropped + Counter(counts.dropped),
            self.dhcp + Counter(counts.dhcp),
            self.tftp_bytes + counts.tftp_bytes,
        )


class Planes:
    """The boot programs of one control program. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: OrderedDict[str, Counts] = OrderedDict()
        self._before = Totals()
        self._connected: Counter[str] = Counter()

    def told(self, instance: str, counts: Counts) -> None:
        """One run says what it has counted since its start."""
        with self._lock:
            self._told[instance] = _bounded(counts)
            self._told.move_to_end(instance)
            if len(self._told) > MAX_INSTANCES:
                self._before = self._before.and_of(self._told.popitem(last=False)[1])

    def came(self, instance: str) -> None:
        """A run is connected."""
        with self._lock:
            self._connected[instance] += 1

    def went(self, instance: str) -> None:
        """It is not any more."""
        with self._lock:
            self._connected[instance] -= 1
            self._connected += Counter()  # none stays that has none

    @property
    def connected(self) -> int:
        """How many are connected."""
        return self._connected.total()

    def totals(self) -> Totals:
        """What all of them counted."""
        with self._lock:
            total = self._before
            for counts in self._told.values():
                total = total.and_of(counts)
            return total

    def interfaces(self) -> Mapping[str, str]:
        """Where those that are connected serve: interface → our address there."""
        with self._lock:
            told = [counts for name, counts in self._told.items() if name in self._connected]
        return {name: address for counts in told for name, address in counts.interfaces.items()}

    def address(self) -> str | None:
        """An address at which machines reach one of them, None where none says it."""
        return next(iter(self.interfaces().values()), None)

    def servers(self) -> Mapping[str, tuple[int, float]]:
        """DHCP servers whose offers machines took: how often, and when last."""
        found: dict[str, tuple[int, float]] = {}
        with self._lock:
            for counts in self._told.values():
                for address, (times, last) in counts.servers.items():
                    before, earlier = found.get(address, (0, 0.0))
                    found[address] = (before + times, max(earlier, last))
        return found


def _bounded(counts: Counts) -> Counts:
    return Counts(
        dict(list(counts.dropped.items())[:MAX_REASONS]),
        dict(list(counts.dhcp.items())[:MAX_REASONS]),
        counts.tftp_bytes,
        dict(list(counts.interfaces.items())[:MAX_INTERFACES]),
        dict(list(counts.servers.items())[:MAX_SERVERS]),
    )
