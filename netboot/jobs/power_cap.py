"""How many machines may be started: so many a minute, and so many that were not heard yet.

A room of machines that start together trips a breaker, and a DHCP server of its own kind. They are
counted in the store, in the transaction that looks whether there is room: so replicas share the
bounds, and exceed them by none.
"""

import time
from collections.abc import Callable

from netboot.bmc.closed_loop import Pause
from netboot.store.job_shapes import Claimed, Full, Starts
from netboot.store.store import Store

MINUTE = 60.0
LOOK_AGAIN = 10.0
"""Seconds until a job that was put off asks again."""


class PowerCap:
    """The two bounds.

    Args:
        store: counts who is started.
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
        self._starts = Starts(at_once, per_minute, MINUTE)
        self._clock = clock

    def take(self, claimed: Claimed) -> Pause | None:
        """Let a job start its machine, which counts from now on; a pause where it has to wait.

        Raises:
            Fenced: the turn is another's by now.
        """
        now = self._clock()
        return self._pause(self._store.count_start(claimed, self._starts, now), now)

    def shut(self, job: int) -> Pause | None:
        """The pause that ``take`` would give."""
        now = self._clock()
        return self._pause(self._store.starts_full(job, self._starts, now), now)

    def _pause(self, full: Full | None, now: float) -> Pause | None:
        starts = self._starts
        match full:
            case None:
                return None
            case Full.AT_ONCE:
                why = (
                    f"{starts.at_once} machines that start now to be heard (jobs.power_on_at_once)"
                )
            case Full.PER_WINDOW:
                bound = f"{starts.per_window} are started a minute (jobs.power_on_per_minute)"
                why = f"its turn: {bound}"
        return Pause(now + LOOK_AGAIN, why)
