"""Who speaks to which BMC: one at a time, among the threads of this process and among replicas.

Threads stand in a table in memory, which knows what each of them does; replicas share rows of the
store, which end by themselves with the process that wrote them. A job has a BMC for one turn,
which is short, so that an operator waits for it instead of being refused.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping

from netboot.errors import OperationError
from netboot.jobs.bmc_turn import Turn
from netboot.store.bmc_shapes import Bmc
from netboot.store.store import Store

LEASE = 150.0
"""Seconds a BMC stays ours without a sign of life: longer than one request to it can take."""
PATIENCE = 60.0
"""Seconds an operator waits for a job's turn to end."""
_LOOK_EVERY = 0.2


class Busy(OperationError):  # noqa: N818 -- its name says what is wrong
    """Somebody speaks to this BMC already; the text says who, and of what."""


class BmcLocks:
    """The BMCs this process speaks to.

    Args:
        store: what replicas share.
        owner: names this process.
    """

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._changed = threading.Condition()
        self._busy: dict[str, Turn] = {}

    def under_way(self) -> Mapping[str, str]:
        """What happened last in each turn that runs here, by node."""
        with self._changed:
            turns = list(self._busy.values())
        return {turn.node.name: turn.last for turn in turns}

    @contextlib.contextmanager
    def hold(self, bmc: Bmc, turn: Turn) -> Iterator[None]:
        """Nobody else acts on this BMC meanwhile.

        An operator waits for a job's turn, and for another replica. A job waits for nobody.

        Raises:
            Busy: somebody acts on it already.
        """
        key = key_of(bmc, turn.node.name)
        deadline = time.monotonic() + (0.0 if turn.job else PATIENCE)
        self._take(key, turn, deadline)
        try:
            self._take_row(key, deadline)
            turn.alive = lambda: self._renew(key)
            try:
                yield
            finally:
                self._store.unlock_bmc(key, self._owner)
        finally:
            with self._changed:
                del self._busy[key]
                self._changed.notify_all()

    def _take(self, key: str, turn: Turn, deadline: float) -> None:
        with self._changed:
            while (other := self._busy.setdefault(key, turn)) is not turn:
                left = deadline - time.monotonic()
                if not other.job or left <= 0:
                    problem = f"{other.asker} asked for {other.asked}; {other.last}"
                    raise Busy(f"its BMC is busy: {problem}")
                self._changed.wait(left)

    def _take_row(self, key: str, deadline: float) -> None:
        while not self._renew(key):
            if time.monotonic() >= deadline:
                raise Busy("its BMC is busy: another netboot speaks to it")
            time.sleep(_LOOK_EVERY)

    def _renew(self, key: str) -> bool:
        return self._store.lock_bmc(key, self._owner, LEASE, time.time())


def key_of(bmc: Bmc, name: str) -> str:
    """What two turns on the same BMC have in common."""
    return str(bmc.address) if bmc.address.takes_login else name
