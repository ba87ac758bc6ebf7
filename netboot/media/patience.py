"""How long to wait for a mirror that says nothing."""

import math
import time
from collections.abc import Callable

from netboot.errors import OperationError


class Away(OperationError):  # noqa: N818 -- what happened, as its reader would say it
    """The mirror cannot be reached, or has fallen silent."""


class Patience:
    """Ends the wait for something that makes no progress.

    Args:
        seconds: how long nothing may change.
        in_all: how long it may take at most.
        clock: what the time is.
    """

    def __init__(
        self,
        seconds: float,
        in_all: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._in_all = in_all
        self._clock = clock
        self._state: object = None
        self._begun = self._since = clock()

    def see(self, state: object) -> None:
        """Take how far it is now.

        Args:
            state: anything that differs once there was progress.

        Raises:
            Away: it has been the same for too long, or it is not done in time.
        """
        now = self._clock()
        if now - self._begun > self._in_all:
            raise Away(f"it was not done in {self._in_all:.0f} s")
        if state != self._state:
            self._state, self._since = state, now
        elif now - self._since > self._seconds:
            raise Away(f"nothing came for {self._seconds:.0f} s")
