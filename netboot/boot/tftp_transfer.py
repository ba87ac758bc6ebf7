"""One running TFTP transfer: the core of ``wire.transfer`` with a socket and a timer round it.

A transfer has a port of its own, which is its TID (RFC 1350 section 4), or shares the server's:
NAT and containers pass only what comes from the port that was asked.
"""

import select
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.python.failure import Failure

from netboot.boot import udp
from netboot.boot.udp import Address, BurstSender, UdpPort
from netboot.wire.transfer import ReadTransfer, Result

MAX_REPLY = 600
"""Bytes of a client's packet that are read: an ACK has 4, an ERROR a short text."""


MAX_READY = 64
"""Sockets that are read in one round."""
MAX_ROUNDS = 8
"""Rounds before the reactor's other descriptors get their turn: some milliseconds of work."""


class DelayedCall(Protocol):
    """What is used of Twisted's ``IDelayedCall``."""

    def reset(self, secondsFromNow: float) -> Any:  # noqa: N803, ANN401 -- twisted's signature
        """Let it happen so many seconds from now instead."""

    def cancel(self) -> Any:  # noqa: ANN401 -- twisted's signature
        """Do not let it happen."""


class TimedReactor(udp.Reactor, Protocol):
    """What is used of a Twisted reactor (``IReactorFDSet`` and ``IReactorTime``)."""

    def seconds(self) -> float:
        """Seconds of its clock."""

    def callLater(  # noqa: N802 -- twisted's name
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002 -- twisted's name
        *args: object,
    ) -> DelayedCall:
        """Call it after ``delay`` seconds."""


class Endpoint(Protocol):
    """Where a transfer's datagrams go out."""

    def send(self, datagrams: Sequence[bytes]) -> None:
        """Send them in order; one that the kernel refuses is counted, and the core repeats it."""

    def close(self) -> None:
        """Let go of it."""


class SharedPort:
    """The server's own port."""

    def __init__(self, port: UdpPort, local: str, peer: Address) -> None:
        self._port = port
        self._local = local
        self._peer = peer

    def send(self, datagrams: Sequence[bytes]) -> None:
        """See ``Endpoint``."""
        self._port.send_burst(datagrams, self._peer, self._local)

    def close(self) -> None:
        """See ``Endpoint``."""


class Hub:
    """Many sockets behind one descriptor of the reactor.

    An epoll set is itself readable when one of its sockets is (epoll(7)). The reactor's own work
    is then done once for a batch of datagrams and not for each, which is half of a lock-step
    packet's cost.

    Args:
        reactor: where to wait.
    """

    def __init__(self, reactor: udp.Reactor) -> None:
        self._reactor = reactor
        self._epoll: select.epoll | None = None
        self._readers: dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """Begin to wait.

        Raises:
            OSError: no descriptor is to be had.
        """
        self._epoll = select.epoll()
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Stop waiting, and forget every socket; a second call does nothing."""
        if self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None
            self._readers.clear()

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """Call ``read`` whenever there is something to read from ``fd``.

        Raises:
            OSError: the kernel's bound on watched descriptors is reached.
        """
        assert self._epoll is not None, "add() between start() and stop()"  # noqa: S101 -- ours
        self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = read

    def remove(self, fd: int) -> None:
        """Stop that; ``fd`` is still open."""
        if self._readers.pop(fd, None) is not None and self._epoll is not None:
            self._epoll.unregister(fd)

    def fileno(self) -> int:
        """The epoll set's descriptor, -1 while stopped."""
        return self._epoll.fileno() if self._epoll is not None else -1

    def doRead(self) -> None:  # noqa: N802 -- twisted's name
        """Let every readable socket read, again and again up to a bound."""
        for _ in range(MAX_ROUNDS):
            ready = self._epoll.poll(0, MAX_READY) if self._epoll is not None else []
            for fd, _events in ready:
                read = self._readers.get(fd)  # an earlier one of this round may have closed it
                if read is not None:
                    read()
            if not ready:
                return

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 -- twisted's name
        """The reactor stops, or a fault of ours was logged and the reactor has let us go."""
        if self._epoll is not None and not udp.is_shutdown(reason):
            self._reactor.addReader(self)
        else:
            self.stop()

    def logPrefix(self) -> str:  # noqa: N802 -- twisted's name
        """What Twisted calls us in its own errors."""
        return "tftp transfers"


class OwnPort:
    """A socket of its own, on the address that was asked, and connected to the peer.

    So the kernel looks up the way there once, and a datagram with a wrong TID never gets here: its
    sender hears from the kernel that there is no such port (RFC 1122 section 4.1.3.1).

    Args:
        hub: where to wait.
        local: the address that was asked.
        peer: who asked.
        receive: called with each datagram.
        drops: counts what the kernel would not send, by reason.
        gso: whether to try UDP_SEGMENT.

    Raises:
        OSError: no socket is to be had.
    """

    def __init__(
        self,
        hub: Hub,
        local: str,
        peer: Address,
        receive: Callable[[bytes], None],
        drops: Counter[str],
        *,
        gso: bool,
    ) -> None:
        self._hub = hub
        self._receive = receive
        self._drops = drops
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind((local, 0))
            self._socket.connect(peer)
            hub.add(self._socket.fileno(), self._read)
        except OSError:
            self._socket.close()
            raise
        self._sender = BurstSender(self._socket, gso=gso)

    def send(self, datagrams: Sequence[bytes]) -> None:
        """See ``Endpoint``."""
        try:
            if len(datagrams) == 1:
                self._socket.send(datagrams[0])
            else:
                self._sender.send(datagrams, None)
        except OSError as error:
            self._drops[udp.not_sent(error)] += 1

    def close(self) -> None:
        """See ``Endpoint``."""
        if self._socket.fileno() >= 0:
            self._hub.remove(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        """Read one datagram: there is seldom another, and the hub comes back if there is."""
        try:
            data = self._socket.recv(MAX_REPLY)
        except OSError:  # a checksum was wrong, or the peer's host has no such port
            return
        self._receive(data)


class Running:
    """A transfer core, its endpoint and its one timer.

    The timer is lazy: an ACK only moves the deadline in the core, and the call that was ordered
    before looks when it comes; so a lock-step packet costs no timer work.

    Args:
        reactor: clock and timers.
        core: the transfer, with its first datagrams waiting.
        peer: whose it is.
        finished: called once, as soon as there is a result.
        forgotten: called once, when nothing is due any more.
    """

    def __init__(
        self,
        reactor: TimedReactor,
        core: ReadTransfer,
        peer: Address,
        finished: "Callable[[Running, Result], None]",
        forgotten: "Callable[[Running], None]",
    ) -> None:
        self.core = core
        self.peer = peer
        self.started = reactor.seconds()
        self._reactor = reactor
        self._finished: Callable[[Running, Result], None] | None = finished
        self._forgotten: Callable[[Running], None] | None = forgotten
        self._endpoint: Endpoint | None = None
        self._timer: DelayedCall | None = None
        self._timer_at = 0.0

    def start(self, endpoint: Endpoint) -> None:
        """Send the first answer through ``endpoint``, which is closed at the end."""
        self._endpoint = endpoint
        self.flush()

    def receive(self, data: bytes) -> None:
        """Take one datagram of the peer's."""
        self.core.receive_datagram(data, self._reactor.seconds())
        self.flush()

    def flush(self) -> None:
        """Send what the core has, report its result, and see to its timer."""
        datagrams = self.core.datagrams_to_send()
        if datagrams and self._endpoint is not None:
            self._endpoint.send(datagrams)
        if self.core.result is not None and self._finished is not None:
            finished, self._finished = self._finished, None
            finished(self, self.core.result)
        deadline = self.core.get_timer()
        if deadline is None:
            self._close()
        elif self._timer is None:
            self._timer_at = deadline
            delay = max(deadline - self._reactor.seconds(), 0.0)
            self._timer = self._reactor.callLater(delay, self._on_timer)
        elif deadline < self._timer_at:
            self._timer_at = deadline
            self._timer.reset(max(deadline - self._reactor.seconds(), 0.0))

    def _on_timer(self) -> None:
        self._timer = None
        self.core.handle_timer(self._reactor.seconds())
        self.flush()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        if self._forgotten is not None:
            forgotten, self._forgotten = self._forgotten, None
            forgotten(self)
