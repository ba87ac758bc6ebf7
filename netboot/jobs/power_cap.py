"""How many machines may be started: so many a minute, and so many that were not heard yet.

A room of machines that start together trips a breaker, and a DHCP server of its own kind. What
counts is in the store, so that replicas share it; what was granted here and is not written down
yet is added.
"""

import threading
import time
from collections.abc import Callable

from netboot.bmc.closed_loop import Pause
from netboot.store.store import Store

MINUTE = 60.0
LOOK_AGAIN = 10.0
"""Seconds until a job that was put off asks again."""


class PowerCap:
    """The two bounds.

    Args:
        store: knows who was started.
        per_minute: machines started within a minute.
        at_once: machines between power-on and their first DISCOVER.
        clock: epoch seconds.
    """

    def __init__(
        self,
        store: Store,
        per_minute: int,
        at_once: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._per_minute = per_minute
        self._at_once = at_once
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: set[int] = set()

    def take(self, job: int) -> Pause | None:
        """Let a job start its machine; a pause where it has to wait. ``written`` gives it back."""
        with self._lock:
            if pause := self._shut(job):
                return pause
            self._granted.add(job)
            return None

    def shut(self, job: int) -> Pause | None:
        """The pause that ``take`` would give."""
        with self._lock:
            return self._shut(job)

    def written(self, job: int) -> None:
        """The job's start is in the store, or did not come to pass."""
        with self._lock:
            self._granted.discard(job)

    def _shut(self, job: int) -> Pause | None:
        now, granted = self._clock(), len(self._granted - {job})
        if self._store.unheard() + granted >= self._at_once:
            why = f"{self._at_once} machines that start now to be heard (jobs.power_on_at_once)"
        elif self._store.powered_since(now - MINUTE) + granted >= self._per_minute:
            why = f"its turn: {self._per_minute} are started a minute (jobs.power_on_per_minute)"
        else:
            return None
        return Pause(now + LOOK_AGAIN, why)
