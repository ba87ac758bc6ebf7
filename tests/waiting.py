"""Waiting for what comes by itself, for as long as a busy machine may need."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 60.0
"""Seconds in which what must come has come, however busy the machine is."""

T = TypeVar("T")


def await_(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Wait until ``condition()`` is true and give what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return found
