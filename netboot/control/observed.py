"""What is counted of events as they are kept: how long stages of boots take, and what BMCs did.

Labels are words of fixed sets; an event can say anything, and makes no new one.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from netboot.bmc.history import Came
from netboot.bmc.model import Rung
from netboot.events import Event, Kind
from netboot.stages import Boot, Stage, follow, machine

MAX_MACHINES = 10_000
"""Machines whose boot is followed; the one silent longest is forgotten."""
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000)
"""Upper bounds of the histogram, seconds: from a packet's answer to a whole installation."""
_DRIVERS = frozenset({"redfish", "ipmi", "wol", "manual", "command"})
_RUNGS = frozenset(Rung)
_RESULTS = frozenset({*Came, "done", "failed"} - {Came.INTENT})
_BEGINNINGS = frozenset({"asked", Came.INTENT})

disable_created_metrics()  # type: ignore[no-untyped-call] # a start time for each label is noise


class _Followed(NamedTuple):
    """A machine's boot, and when it came to its stage."""

    boot: Boot
    since: float


class Observed:
    """Counts events. Safe from several threads.

    Args:
        registry: where the numbers are.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._machines: OrderedDict[str, _Followed] = OrderedDict()
        self._seconds = Histogram(
            "netboot_boot_stage_seconds",
            "Seconds until what a boot waited for came, by what that was.",
            ["stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._actions = Counter(
            "netboot_bmc_actions",
            "Steps taken at BMCs, and whole actions (done, failed): by driver, way and result.",
            ["driver", "rung", "result"],
            registry=registry,
        )

    def __call__(self, events: Sequence[Event]) -> None:
        """Count events that were kept, in their order."""
        for event in events:
            if event.kind is Kind.BMC:
                self._acted(event)
            elif (key := machine(event)) is not None:
                self._went_on(key, event)

    def _acted(self, event: Event) -> None:
        result = str(event.data.get("came", ""))
        if result not in _BEGINNINGS:
            driver, rung = event.data.get("driver"), event.data.get("rung")
            self._actions.labels(
                driver if driver in _DRIVERS else "none",
                rung if rung in _RUNGS else "none",
                result if result in _RESULTS else "other",
            ).inc()

    def _went_on(self, key: str, event: Event) -> None:
        with self._lock:
            before = self._machines.pop(key, None)
            boot = follow(before.boot if before else None, event)
            if before is None or boot.begun != before.boot.begun:  # the first we see of a boot
                before = _Followed(boot, event.time)
            waits = boot.stage is before.boot.stage
            self._machines[key] = _Followed(boot, before.since if waits else event.time)
            if len(self._machines) > MAX_MACHINES:
                self._machines.popitem(last=False)
        if not waits and before.boot.stage is not Stage.NOTHING:
            waited = max(0.0, event.time - before.since)
            self._seconds.labels(before.boot.stage.slug).observe(waited)
