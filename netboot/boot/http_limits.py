"""Every bound of the boot plane's HTTP, and the count of what each address uses of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Every bound of the boot plane's HTTP.

    Attributes:
        connections: in all; one more pushes out the one that has been asking nothing longest.
        connections_per_peer: from one address (machines behind NAT share one).
        backlog: connections the kernel keeps until we accept them.
        requests_per_second: of one address in the long run; more have to wait.
        request_burst: of one address at once; a BMC mounting an ISO asks some 3,000 ranges.
        requests_per_turn: of one connection before others get their turn.
        peers: addresses whose rate is remembered; the longest gone go first.
        line_bytes: of the request line, or of one field.
        head_bytes: of the request line and all fields.
        head_fields: fields in a head.
        head_seconds: from a head's first byte, or from accepting, to its last.
        idle_seconds: between a reply and the next request.
        stall_seconds: within which a reader must take ``stall_bytes`` of a reply.
        refused_bytes: read and thrown away after a refusal, so that the peer gets to see it.
        close_seconds: for a peer to take the end of a reply and close.
        stop_seconds: for replies under way when the server stops.
    """

    connections: int = 2048
    connections_per_peer: int = 256
    backlog: int = 1024
    requests_per_second: float = 2000.0
    request_burst: int = 6000
    requests_per_turn: int = 16
    peers: int = 4096
    line_bytes: int = 8192
    head_bytes: int = 16384
    head_fields: int = 100
    head_seconds: float = 15.0
    idle_seconds: float = 60.0
    stall_seconds: float = 60.0
    stall_bytes: int = 65536
    refused_bytes: int = 1 << 20
    close_seconds: float = 15.0
    stop_seconds: float = 1.0


@dataclass(slots=True)
class _Peer:
    connections: int
    tokens: float
    filled: float


class Peers:
    """Connections and request rate of each address: a token bucket that may run into debt."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._connected: dict[str, _Peer] = {}
        self._gone: dict[str, _Peer] = {}

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._connected) + len(self._gone)

    def arrive(self, address: str, now: float) -> bool:
        """Count a new connection from ``address``; False where it has enough of them."""
        peer = self._connected.get(address) or self._gone.pop(address, None)
        if peer is None:
            peer = _Peer(0, float(self._limits.request_burst), now)
        if peer.connections >= self._limits.connections_per_peer:
            return False
        peer.connections += 1
        self._connected[address] = peer
        while self._gone and len(self) > self._limits.peers:
            del self._gone[next(iter(self._gone))]
        return True

    def leave(self, address: str) -> None:
        """Count a connection from ``address`` off again."""
        peer = self._connected[address]
        peer.connections -= 1
        if not peer.connections:
            self._gone[address] = self._connected.pop(address)

    def wait(self, address: str, now: float) -> float:
        """Take one request of ``address``, and say how many seconds it has to wait for it."""
        peer, rate = self._connected[address], self._limits.requests_per_second
        filled = peer.tokens + (now - peer.filled) * rate
        peer.tokens = min(filled, self._limits.request_burst) - 1
        peer.filled = now
        return max(0.0, -peer.tokens / rate)
