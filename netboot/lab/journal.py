"""What was seen so far, in order, bounded, for one thread to add to and others to wait on."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Journal(Generic[T]):
    """A list that can be waited on.

    Args:
        bound: entries kept; later ones are only counted.

    Attributes:
        entries: oldest first.
        dropped: how many came after ``bound``.
    """

    def __init__(self, bound: int) -> None:
        self.entries: list[T] = []
        self.dropped = 0
        self._bound = bound
        self._changed = threading.Condition()

    def add(self, entry: T) -> None:
        """Append an entry and wake who waits."""
        with self._changed:
            if len(self.entries) < self._bound:
                self.entries.append(entry)
                self._changed.notify_all()
            else:
                self.dropped += 1

    def first(self, wanted: Callable[[T], object], timeout: float) -> T | None:
        """The first entry, past or to come, that ``wanted`` is true of; None after the timeout."""
        deadline, seen = time.monotonic() + timeout, 0
        with self._changed:
            while True:
                for entry in self.entries[seen:]:
                    if wanted(entry):
                        return entry
                seen = len(self.entries)
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
