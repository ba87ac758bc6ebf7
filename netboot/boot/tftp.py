"""The TFTP server on a Twisted reactor: who may ask, and which transfer a datagram belongs to.

It reads only (a WRQ gets ERROR 2), opens nothing itself (``find`` decides what a name means), and
keeps no more of a file than ``blocks.READ_AHEAD``. Everything it holds has a bound in
``TftpLimits``. When the table is full, the oldest transfer that never heard from its peer makes
room, so a flood of forged requests cannot keep real machines out; what is refused is counted in
``drops`` and never logged.

A request that comes again from the same address and port is the same transfer, not another: it
sends its first answer again while the peer has not been heard, and takes no notice later. A
*different* request from there, or the same after a silence, means that the machine has started
over.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from netboot.boot.rate import RateLimit
from netboot.boot.source import Source
from netboot.boot.tftp_transfer import Endpoint, Hub, OwnPort, Running, SharedPort, TimedReactor
from netboot.boot.udp import Address, UdpPort, mtu_towards
from netboot.errors import MalformedPacket, NotServed
from netboot.wire import tftp
from netboot.wire.tftp import Ack, Data, Error, ErrorCode, ReadRequest, WriteRequest
from netboot.wire.tftp_options import MAX_WINDOWSIZE
from netboot.wire.transfer import ReadTransfer, Result

__all__ = ["Outcome", "Result", "TftpLimits", "TftpServer"]

LATE_DUPLICATE = 1.0
"""Seconds after a peer's last word in which its RRQ, come again, is the network's duplicate."""

Find = Callable[[str, str, str], Source]
"""Called with the requested name, the peer's address and ours; raises ``NotServed``."""


@dataclass(frozen=True, slots=True)
class TftpLimits:
    """What the server holds at most.

    Attributes:
        max_transfers: transfers at once; each takes a descriptor, and for its file one more and
            ``blocks.READ_AHEAD`` bytes.
        max_transfers_per_peer: of these, how many of one address (NAT hides many machines).
        requests_per_second: requests of one address in the long run.
        request_burst: requests of one address at once: a Raspberry Pi asks for dozens of names.
        max_peers: addresses whose rate is remembered.
        max_windowsize: RFC 7440 blocks to agree to.
        single_port: answer from the server's own port, for NAT and containers.
        gso: send windows by UDP_SEGMENT where the kernel can.

    Raises:
        ValueError: a bound is not positive.
    """

    max_transfers: int = 4096
    max_transfers_per_peer: int = 512
    requests_per_second: float = 200.0
    request_burst: int = 500
    max_peers: int = 4096
    max_windowsize: int = MAX_WINDOWSIZE
    single_port: bool = False
    gso: bool = True

    def __post_init__(self) -> None:
        bounds = (
            self.max_transfers,
            self.max_transfers_per_peer,
            self.requests_per_second,
            self.request_burst,
            self.max_peers,
            self.max_windowsize,
        )
        if min(bounds) <= 0:
            raise ValueError(f"every TFTP limit must be above zero: {self}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one read request ended.

    Attributes:
        peer: the client's IPv4 address.
        name: what it asked for, printable.
        size: bytes of the file, 0 where there is none.
        sent: bytes it has acknowledged.
        seconds: from the request to the end.
        detail: a few words why, "" where there is nothing to say. It may name a path of ours.
    """

    peer: str
    name: str
    size: int
    sent: int
    seconds: float
    result: Result
    detail: str


class TftpServer:
    """A read-only TFTP server.

    Args:
        reactor: a Twisted reactor.
        find: what a name means; it must not block.
        on_outcome: called once for each request that was answered.
        address: the local IPv4 address, "0.0.0.0" for all.
        port: 69 for firmware; 0 lets the kernel choose.
        limits: what it holds at most.

    Attributes:
        drops: what was ignored or refused, by reason.
        sent: bytes that were acknowledged, of the transfers that ended.
    """

    def __init__(
        self,
        reactor: TimedReactor,
        find: Find,
        on_outcome: Callable[[Outcome], None],
        *,
        address: str = "0.0.0.0",  # noqa: S104 -- a boot server answers on every interface it has
        port: int = 69,
        limits: TftpLimits = TftpLimits(),
    ) -> None:
        self.drops: Counter[str] = Counter()
        self.sent = 0
        self._reactor = reactor
        self._find = find
        self._on_outcome = on_outcome
        self._limits = limits
        self._port = UdpPort(reactor, address, port, self._on_datagram, self.drops)
        self._hub = Hub(reactor)
        self._rate = RateLimit(limits.requests_per_second, limits.request_burst, limits.max_peers)
        self._transfers: dict[Address, Running] = {}
        self._unheard: dict[Address, Running] = {}
        self._per_peer: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The UDP port in use; 0 while stopped."""
        return self._port.port

    def start(self) -> None:
        """Take the port.

        Raises:
            OSError: it is held, or not permitted.
        """
        self._port.start()
        self._hub.start()

    def stop(self) -> None:
        """Tell every peer that it is over, and give the port back."""
        for running in list(self._transfers.values()):
            running.core.abort("the server is stopping")
            running.flush()
        self._port.stop()
        self._hub.stop()

    def __len__(self) -> int:
        """Transfers at this moment, those that dally included."""
        return len(self._transfers)

    def _on_datagram(self, data: bytes, peer: Address, local: str) -> None:
        if self._limits.single_port and not tftp.is_request(data):
            running = self._transfers.get(peer)
            if running is not None:
                running.receive(data)
                return
        try:
            packet = tftp.parse(data)
        except MalformedPacket as problem:
            self.drops[str(problem)] += 1
            return
        if not self._rate.allows(peer[0], self._reactor.seconds()):
            self.drops["tftp: too many requests of one peer"] += 1
            return
        match packet:
            case ReadRequest():
                self._on_request(packet, peer, local)
            case WriteRequest():
                self.drops["tftp: write request"] += 1
                self._refuse(peer, local, ErrorCode.ACCESS_VIOLATION, "this server is read-only")
            case Ack() | Data():
                self.drops["tftp: no such transfer"] += 1
                self._refuse(peer, local, ErrorCode.UNKNOWN_TID, "unknown transfer ID")
            case _:
                self.drops[f"tftp: unexpected {type(packet).__name__}"] += 1

    def _on_request(self, request: ReadRequest, peer: Address, local: str) -> None:
        running = self._transfers.get(peer)
        now = self._reactor.seconds()
        if running is not None and _is_duplicate(running.core, request, now):
            self.drops["tftp: request repeated"] += 1
            running.core.repeat(now)
            running.flush()
            return
        if running is not None:
            running.core.supersede()
            running.flush()
        if not self._has_room(peer[0]):
            return
        try:
            source = self._find(request.filename, peer[0], local)
        except NotServed as problem:
            self._refuse(peer, local, ErrorCode.FILE_NOT_FOUND, "file not found")
            name, result, why = request.filename, Result.NOT_SERVED, str(problem)
            self._on_outcome(Outcome(peer[0], name, 0, 0, 0.0, result, why))
            return
        self._begin(request, source, peer, local)

    def _begin(self, request: ReadRequest, source: Source, peer: Address, local: str) -> None:
        core = ReadTransfer(
            request,
            source,
            self._reactor.seconds(),
            mtu=mtu_towards(peer[0]),
            max_windowsize=self._limits.max_windowsize,
            drops=self.drops,
        )
        finished = partial(self._report, request.filename, source.size)
        running = Running(self._reactor, core, peer, finished, self._forget)
        try:
            endpoint = self._endpoint(running, local)
        except OSError as error:
            self.drops[f"tftp: no socket ({error.strerror})"] += 1
            source.close()
            return
        self._transfers[peer] = self._unheard[peer] = running
        self._per_peer[peer[0]] += 1
        running.start(endpoint)

    def _endpoint(self, running: Running, local: str) -> Endpoint:
        if self._limits.single_port:
            return SharedPort(self._port, local, running.peer)
        gso = self._limits.gso
        return OwnPort(self._hub, local, running.peer, running.receive, self.drops, gso=gso)

    def _has_room(self, peer: str) -> bool:
        if self._per_peer[peer] >= self._limits.max_transfers_per_peer:
            self.drops["tftp: too many transfers of one peer"] += 1
            return False
        if len(self._transfers) >= self._limits.max_transfers:
            self._make_room()
        if len(self._transfers) >= self._limits.max_transfers:
            self.drops["tftp: too many transfers"] += 1
            return False
        return True

    def _make_room(self) -> None:
        """End the oldest transfer whose peer was never heard."""
        while self._unheard:
            peer = next(iter(self._unheard))
            running = self._unheard.pop(peer)
            if running.core.heard is None:
                self.drops["tftp: made room for another"] += 1
                running.core.abort("too many transfers")
                running.flush()
                return

    def _refuse(self, peer: Address, local: str, code: ErrorCode, message: str) -> None:
        self._port.send(tftp.build(Error(code, message)), peer, local)

    def _report(self, name: str, size: int, running: Running, result: Result) -> None:
        core = running.core
        self.sent += core.sent
        seconds = self._reactor.seconds() - running.started
        outcome = Outcome(running.peer[0], name, size, core.sent, seconds, result, core.detail)
        self._on_outcome(outcome)

    def _forget(self, running: Running) -> None:
        peer = running.peer
        del self._transfers[peer]
        self._unheard.pop(peer, None)
        self._per_peer[peer[0]] -= 1
        if not self._per_peer[peer[0]]:
            del self._per_peer[peer[0]]


def _is_duplicate(core: ReadTransfer, request: ReadRequest, now: float) -> bool:
    if core.request != request:
        return False
    return core.heard is None or now - core.heard < LATE_DUPLICATE
