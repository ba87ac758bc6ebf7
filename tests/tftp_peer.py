"""A TFTP client without a socket, a bad network without a wire, and our server in a thread."""

import hashlib
import heapq
import queue
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

from twisted.internet.epollreactor import EPollReactor

from netboot.boot.tftp import Outcome, TftpLimits, TftpServer
from netboot.boot.udp import Address
from netboot.wire import tftp
from netboot.wire.tftp import Ack, Data, Error, OptionAck, ReadRequest
from netboot.wire.transfer import ReadTransfer

SERVER = "192.0.2.1"


class PatternSource:
    """A file of any size that stands nowhere: byte n is a function of n. It records its reads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reads: list[tuple[int, int]] = []
        self.closed = 0
        self.broken: Exception | None = None

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        if self.broken is not None:
            raise self.broken
        return pattern(offset, min(length, self.size - offset))

    def close(self) -> None:
        self.closed += 1


_CYCLE = bytes(index * 7 % 251 for index in range(251)) * 600  # 251 is prime: no block repeats


def pattern(offset: int, length: int) -> bytes:
    start = offset % 251
    return _CYCLE[start : start + length]


class Peer:
    """One client reading one file as RFC 1350 and 7440 say, EDK2's way: it acknowledges every
    block it did not expect, and after the last one it dallies."""

    TIMEOUT = 1.5
    RETRIES = 12
    DALLY = 6.0

    def __init__(self, request: ReadRequest, address: Address) -> None:
        self.request = request
        self.address = address
        self.server: Address | None = None
        self.blksize, self.windowsize = 512, 1
        self.options: dict[str, str] = {}
        self.block = 0
        self.acked = 0
        self.size = 0
        self.digest = hashlib.sha256()
        self.complete = False
        self.failed = ""
        self.timer: float | None = None
        self._tries = 0
        self._last = b""

    def start(self, now: float) -> bytes:
        return self._say(tftp.build(self.request), now)

    def on_timer(self, now: float) -> bytes | None:
        if self.timer is None or now < self.timer:
            return None
        if self.complete or self._tries == self.RETRIES:
            self.failed = "" if self.complete else "timed out"
            self.timer = None
            return None
        self._tries += 1
        return self._say(self._last, now)

    def receive(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        if self.server is None:
            self.server = source
        if source != self.server or self.timer is None:
            return None
        match tftp.parse(datagram):
            case OptionAck(options) if self.block == 0:
                self.options = dict(options)
                self.blksize = int(options.get("blksize", 512))
                self.windowsize = int(options.get("windowsize", 1))
                return self._ack(now)
            case Data(block, payload):
                return self._on_data(block, payload, now)
            case Error(code, message):
                self.failed = f"error {code} {message}"
                self.timer = None
        return None

    def _on_data(self, block: int, payload: bytes, now: float) -> bytes | None:
        if block != (self.block + 1) & 0xFFFF or self.complete:
            return self._ack(now)
        self._tries = 0
        self.block += 1
        self.size += len(payload)
        self.digest.update(payload)
        self.timer = now + self.TIMEOUT
        self.complete = len(payload) < self.blksize
        if self.complete or self.block - self.acked == self.windowsize:
            return self._ack(now)
        return None

    def _ack(self, now: float) -> bytes:
        self.acked = self.block
        return self._say(tftp.build(Ack(self.block & 0xFFFF)), now)

    def _say(self, datagram: bytes, now: float) -> bytes:
        self._last = datagram
        self.timer = now + (self.DALLY if self.complete else self.TIMEOUT)
        return datagram


class Network:
    """Carries datagrams between peers and transfers on a fake clock, badly.

    ``loss``, ``duplication`` and ``reordering`` are probabilities, drawn from a seed.
    """

    DELAY = 0.0005
    LATE = 0.004

    def __init__(
        self, seed: int = 0, loss: float = 0.0, duplication: float = 0.0, reordering: float = 0.0
    ) -> None:
        self.now = 0.0
        self.sent: list[int] = []
        self.transfers: dict[Address, ReadTransfer] = {}
        self._random = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self._loss, self._duplication, self._reordering = loss, duplication, reordering
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def run(
        self,
        peers: list[Peer],
        open_transfer: Callable[[ReadRequest, float], ReadTransfer],
    ) -> None:
        """Run until nothing is left to happen."""
        self._open = open_transfer
        for peer in peers:
            self._carry(self._to_server, peer, peer.start(self.now))
            self._watch_peer(peer)
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _carry(self, deliver: Callable[[Peer, bytes], None], peer: Peer, datagram: bytes) -> None:
        self.sent.append(len(datagram))
        draw = self._random.random
        for _ in range(2 if draw() < self._duplication else 1):
            if draw() >= self._loss:
                late = self.LATE * draw() if draw() < self._reordering else 0.0
                self._at(self.now + self.DELAY + late, lambda: deliver(peer, datagram))

    def _to_server(self, peer: Peer, datagram: bytes) -> None:
        transfer = self.transfers.get(peer.address)
        if not tftp.is_request(datagram):
            if transfer is not None:
                transfer.receive_datagram(datagram, self.now)
                self._flush(peer, transfer)
            return
        if transfer is None:
            request = tftp.parse(datagram)
            assert isinstance(request, ReadRequest)
            transfer = self._open(request, self.now)
            self.transfers[peer.address] = transfer
        else:
            transfer.repeat(self.now)
        self._flush(peer, transfer)

    def _flush(self, peer: Peer, transfer: ReadTransfer) -> None:
        for datagram in transfer.datagrams_to_send():
            self._carry(self._to_peer, peer, datagram)
        deadline = transfer.get_timer()
        if deadline is not None:
            self._at(deadline, lambda: self._on_transfer_timer(peer, transfer, deadline))

    def _on_transfer_timer(self, peer: Peer, transfer: ReadTransfer, deadline: float) -> None:
        if transfer.get_timer() == deadline:
            transfer.handle_timer(self.now)
            self._flush(peer, transfer)

    def _to_peer(self, peer: Peer, datagram: bytes) -> None:
        reply = peer.receive(datagram, (SERVER, 2000), self.now)
        if reply is not None:
            self._carry(self._to_server, peer, reply)
            self._watch_peer(peer)

    def _watch_peer(self, peer: Peer) -> None:
        if peer.timer is not None:
            self._at(peer.timer, lambda: self._on_peer_timer(peer))

    def _on_peer_timer(self, peer: Peer) -> None:
        said = peer.on_timer(self.now)
        if said is not None:
            self._carry(self._to_server, peer, said)
        if said is not None or (peer.timer is not None and peer.timer > self.now):
            self._watch_peer(peer)


class ServerThread:
    """A TftpServer on a reactor of its own, in a thread: the test's own code may block."""

    def __init__(
        self, find: Callable[[str, str, str], Any], limits: TftpLimits, address: str
    ) -> None:
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        self.reactor = EPollReactor()
        self.server = TftpServer(
            self.reactor, find, self.outcomes.put, address=address, port=0, limits=limits
        )
        self._thread = threading.Thread(
            target=self.reactor.run, kwargs={"installSignalHandlers": False}, daemon=True
        )

    @property
    def port(self) -> int:
        return self.server.port

    def outcome(self, timeout: float = 60.0) -> Outcome:
        return self.outcomes.get(timeout=timeout)

    def call(self, function: Callable[[], Any]) -> Any:
        """Run it in the reactor's thread."""
        answer: Future[Any] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except Exception as error:  # noqa: BLE001 -- handed over to the thread that asked
                answer.set_exception(error)

        self.reactor.callFromThread(run)
        return answer.result(60)

    def start(self) -> None:
        self._thread.start()
        self.call(self.server.start)

    def stop(self) -> None:
        self.call(self.server.stop)
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(60)


@contextmanager
def serving(
    find: Callable[[str, str, str], Any],
    limits: TftpLimits | None = None,
    address: str = "127.0.0.1",
) -> Iterator[ServerThread]:
    server = ServerThread(find, limits or TftpLimits(), address)
    server.start()
    try:
        yield server
    finally:
        server.stop()
