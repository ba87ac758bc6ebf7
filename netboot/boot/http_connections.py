"""All HTTP connections together: who is let in, who has to go, when anything is due.

A connection too many pushes out the one that has been asking nothing for longest, so that idle
connections, however many, cannot keep a booting machine out. One sweep a second looks at every
deadline; there is no timer a request.
"""

# ruff: noqa: N802 -- Twisted gives its hooks their names
# mypy: allow-untyped-calls

import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import LoopingCall
from twisted.web.http import Request

from netboot.boot.http_channel import Channel
from netboot.boot.http_head import RequestHead
from netboot.boot.http_limits import HttpLimits, Peers

SWEEP_SECONDS = 1.0
"""How often deadlines are looked at, and so how late they may be."""


class Call(Protocol):
    """Something that is to happen later (``IDelayedCall``)."""

    def active(self) -> bool:
        """Whether it is still to come."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """What makes things happen later (``IReactorTime``)."""

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> Call:
        """Call ``call`` in ``delay`` seconds."""


class Connections(ServerFactory[Channel]):
    """Every connection there is, within the limits.

    Args:
        clock: the reactor.
        limits: the bounds.
        answer: answers a request of a connection, and calls what it is given last when it has.
        now: seconds that are never put back or forward; a reactor's own are the wall clock's.

    Attributes:
        drops: what was refused or thrown away, by reason.
    """

    noisy = False

    def __init__(
        self,
        clock: Clock,
        limits: HttpLimits,
        answer: Callable[[Channel, RequestHead, Callable[[], None]], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.now = now
        self.limits = limits
        self.answer = answer
        self.peers = Peers(limits)
        self.drops: Counter[str] = Counter()
        self._open: dict[Channel, None] = {}
        self._resting: dict[Channel, None] = {}
        self._sweep = LoopingCall(self._look_at_deadlines)
        self._sweep.clock = cast("IReactorTime", clock)
        self._all_gone: Deferred[None] | None = None

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def start(self) -> None:
        """Begin to look at deadlines."""
        self._sweep.start(SWEEP_SECONDS, now=False)

    def stop(self) -> Deferred[None]:
        """Close every connection; a reply under way has ``stop_seconds``. Fires when all are."""
        self._all_gone = Deferred()
        for channel in list(self._open):
            channel.close()
        late = self.clock.callLater(self.limits.stop_seconds, self._abort_all)
        done = self._all_gone
        done.addCallback(lambda _: late.cancel() if late.active() else None)
        if not self._open:
            self._finish()
        return done

    def buildProtocol(self, addr: IAddress | None) -> Channel | None:
        """Accept a connection, or None where its peer has enough or nothing can make room."""
        if self._all_gone is not None:
            return None
        if len(self._open) >= self.limits.connections and not self._make_room():
            self.drops["http: too many connections"] += 1
            return None
        channel = Channel(self, addr)
        if not self.peers.arrive(channel.address, self.now()):
            self.drops["http: too many connections of one address"] += 1
            return None
        self._open[channel] = None
        self._resting[channel] = None
        return channel

    def works(self, channel: Channel) -> None:
        """``channel`` has a request to answer."""
        self._resting.pop(channel, None)

    def rests(self, channel: Channel) -> None:
        """``channel`` has none any more."""
        self._resting[channel] = None

    def lost(self, channel: Channel) -> None:
        """``channel`` is closed."""
        del self._open[channel]
        self._resting.pop(channel, None)
        self.peers.leave(channel.address)
        if self._all_gone is not None and not self._open:
            self._finish()

    def log(self, request: Request) -> None:
        """Write no access log: the plane is told of every file, and counts the rest."""

    def _make_room(self) -> bool:
        oldest = next(iter(self._resting), None)
        if oldest is None:
            return False
        del self._resting[oldest]
        self.drops["http: pushed out by a newer connection"] += 1
        oldest.transport.abortConnection()
        return True

    def _look_at_deadlines(self) -> None:
        now = self.now()
        for channel in [channel for channel in self._open if channel.deadline <= now]:
            channel.overdue()

    def _abort_all(self) -> None:
        for channel in list(self._open):
            channel.transport.abortConnection()

    def _finish(self) -> None:
        if self._sweep.running:
            self._sweep.stop()
        if self._all_gone is not None and not self._all_gone.called:
            self._all_gone.callback(None)
