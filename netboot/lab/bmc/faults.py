"""Faults by switch: what real BMCs do on bad days, as often as it is asked for."""

import re
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

KEPT_REQUESTS = 10_000

Kind = Literal["drop", "unheard", "busy", "html", "half-json", "expire-sessions", "slow", "task"]


@dataclass(slots=True)
class Fault:
    """One fault, for the requests it fits.

    Attributes:
        kind: ``drop`` does what is asked and hangs up without a reply; ``unheard`` hangs up before
            anything is done, as a BMC that restarts; ``busy`` answers 503; ``html`` answers a web
            page; ``half-json`` breaks off in the middle of the body; ``expire-sessions`` forgets
            every session first; ``slow`` answers ``seconds`` later; ``task`` answers an action
            with 202 and does it later.
        method: of the requests it fits, "" for any.
        path: a pattern that their path has.
        times: how many of them.
        retry_after: the Retry-After of ``busy``: seconds or an HTTP date; "" without one.
        seconds: of ``slow``.
    """

    kind: Kind
    method: str = ""
    path: str = ""
    times: int = 1
    retry_after: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Faults:
    """Faults that wait for a request; the first that fits one is used on it."""

    waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Have it happen."""
        with self._lock:
            self.waiting.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault this request meets; counts it."""
        with self._lock:
            for fault in self.waiting:
                if fault.method in ("", method) and re.search(fault.path, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
                    return fault
        return None


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it went; ``status`` 0 where no reply was sent."""

    method: str
    path: str
    status: int


class RequestLog:
    """What was asked of a BMC: methods, paths and replies, never bodies."""

    def __init__(self) -> None:
        self._entries: deque[Logged] = deque(maxlen=KEPT_REQUESTS)

    def add(self, method: str, path: str, status: int) -> None:
        """Write one down."""
        self._entries.append(Logged(method, path, status))

    def count(self, method: str, path: str = "") -> int:
        """How many requests had this method and a path with this pattern."""
        return sum(
            entry.method == method and bool(re.search(path, entry.path))
            for entry in tuple(self._entries)
        )

    @property
    def entries(self) -> tuple[Logged, ...]:
        """All of them, oldest first."""
        return tuple(self._entries)
