"""The boot plane's HTTP: one server, GET and HEAD only.

``http_channel`` bounds the connections and has ``http_head`` or twisted.web read each request,
``http_exchange`` leads it to its reply: ``http_routes`` says what is at a path, ``http_file`` and
``ranges`` turn a catalogued file into a reply, ``sendfile`` sends it.
"""

# mypy: allow-untyped-calls
# Twisted's reactor has no annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError

from netboot.boot.http_channel import Channel
from netboot.boot.http_connections import Connections
from netboot.boot.http_exchange import Complaints, Exchange
from netboot.boot.http_head import RequestHead
from netboot.boot.http_limits import HttpLimits
from netboot.boot.http_routes import Plane, SentFile

__all__ = ["BootHttp", "HttpLimits", "Plane", "SentFile"]


class BootHttp:
    """The server.

    Args:
        reactor: Twisted's; it must listen on TCP and tell the time.
        plane: what stands behind the routes.
        address: the address to listen at.
        port: the port; 0 lets the kernel choose.
        limits: every bound.

    Attributes:
        port: the port, from ``start`` on the real one.
        drops: garbage and excess by reason.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 -- IReactorTCP and IReactorTime at once; interfaces do not add
        plane: Plane,
        *,
        address: str = "0.0.0.0",  # noqa: S104 -- the machines' network is all there is behind it
        port: int = 8080,
        limits: HttpLimits = HttpLimits(),  # noqa: B008 -- frozen
    ) -> None:
        self.reactor = reactor
        self.plane = plane
        self.port = port
        self._address = address
        self._limits = limits
        self._complaints = Complaints()
        self._connections = Connections(reactor, limits, self._answer)
        self.drops: Counter[str] = self._connections.drops
        self._listening: Any = None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is held or the address is not ours.
        """
        try:
            self._listening = self.reactor.listenTCP(
                self.port, self._connections, self._limits.backlog, self._address
            )
        except CannotListenError as problem:
            raise problem.socketError from None
        self.port = self._listening.getHost().port
        self._connections.start()

    def stop(self) -> Deferred[None]:
        """Listen no more and close every connection; fires when all are closed."""
        listening, self._listening = self._listening, None
        if listening is None:
            return succeed(None)
        stopped: Deferred[None] = maybeDeferred(listening.stopListening)
        return stopped.addCallback(lambda _: self._connections.stop())

    def _answer(self, channel: Channel, asked: RequestHead, over: Callable[[], None]) -> None:
        exchange = Exchange(self.plane, self._complaints, channel, asked, over)
        channel.when_clear(exchange.answer)
