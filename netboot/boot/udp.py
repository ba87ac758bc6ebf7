"""UDP sockets on a Twisted reactor: who was asked, from where to answer, and whole bursts at once.

Twisted's own ``listenUDP`` tells neither the address that was asked nor lets a reply leave from it,
which a machine with several addresses needs: firmware drops a reply from any other. Here
IP_PKTINFO (ip(7)) does both. One wake-up reads many datagrams, but not without end, so that one
busy port cannot starve the others.

A burst of equal datagrams leaves by one ``sendmsg`` with UDP_SEGMENT (udp(7), "generic segmentation
offload"): the kernel walks down its stack once and cuts the buffer up last. Where it refuses,
``BurstSender`` sends them one by one; the bytes on the wire are the same.
"""

import contextlib
import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

Address = tuple[str, int]
ControlMessage = tuple[int, int, bytes]
"""Level, type and data of a control message (cmsg(3))."""
Receive = Callable[[bytes, Address, str], None]
"""Called with a datagram, its sender, and the local address it was sent to."""

MAX_DATAGRAMS_PER_WAKEUP = 128
"""Then other descriptors get their turn; the rest waits in the kernel's buffer."""
RECEIVE_BUFFER = 4 << 20
"""Bytes the kernel may hold for us: some 5,000 small requests that arrive at once."""
MAX_DATAGRAM = 65507
"""Bytes of the largest UDP payload in IPv4."""
MAX_SEGMENTS = 64
"""UDP_MAX_SEGMENTS of linux/udp.h, the least of any kernel version."""
DEFAULT_MTU = 1500
UNKNOWN = "0.0.0.0"  # noqa: S104 -- no address to listen on: none is known
"""The local address of a datagram where the kernel does not tell it."""

_IP_PKTINFO = 8  # linux/in.h; Python has no name for these four
_IP_MTU = 14
_UDP_SEGMENT = 103  # linux/udp.h
_SO_RCVBUFFORCE = 33
_PKTINFO = struct.Struct("=I4s4s")  # struct in_pktinfo: interface, local address, destination
_SEGMENT = struct.Struct("=H")
_CONTROL = socket.CMSG_SPACE(_PKTINFO.size)
_GSO_REFUSED = frozenset(
    {
        errno.EINVAL,  # a segment does not fit the route's MTU, or the kernel knows no such message
        errno.EIO,  # the device cannot checksum
        errno.EMSGSIZE,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
    }
)


class Reactor(Protocol):
    """What is used of a Twisted reactor (``IReactorFDSet``)."""

    def addReader(self, reader: Any) -> Any:  # noqa: N802, ANN401 -- twisted's signature
        """Call ``reader.doRead()`` whenever its descriptor is readable."""

    def removeReader(self, reader: Any) -> Any:  # noqa: N802, ANN401 -- twisted's signature
        """Stop that."""


class BurstSender:
    """Sends datagrams in bursts from one socket.

    Args:
        sock: a UDP socket, connected or not.
        gso: whether to try UDP_SEGMENT; one refusal turns it off for this socket.
    """

    def __init__(self, sock: socket.socket, *, gso: bool = True) -> None:
        self._socket = sock
        self.gso = gso and gso_known(sock)

    def send(
        self, datagrams: Sequence[bytes], peer: Address | None, source: str | None = None
    ) -> None:
        """Send all of them, in order.

        Args:
            datagrams: payloads.
            peer: to whom; None where the socket is connected.
            source: the local address to send from, None for the socket's own.

        Raises:
            OSError: the kernel took one not; those behind it were not sent either.
        """
        control = [] if source is None else [_from(source)]
        if not self.gso:
            self._send_each(datagrams, peer, control)
        elif _is_one_run(datagrams):  # nearly every window is
            self._send_run(datagrams, peer, control)
        else:
            for run in runs(datagrams):
                self._send_run(run, peer, control)

    def _send_run(
        self, run: Sequence[bytes], peer: Address | None, control: list[ControlMessage]
    ) -> None:
        if len(run) == 1 or not self.gso:
            self._send_each(run, peer, control)
            return
        segment = (socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT.pack(len(run[0])))
        try:
            self._socket.sendmsg(run, [*control, segment], 0, peer)
        except OSError as error:
            if error.errno not in _GSO_REFUSED:
                raise
            self.gso = False
            self._send_each(run, peer, control)

    def _send_each(
        self, datagrams: Iterable[bytes], peer: Address | None, control: list[ControlMessage]
    ) -> None:
        for one in datagrams:
            self._socket.sendmsg([one], control, 0, peer)


def runs(datagrams: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split into what one UDP_SEGMENT message can carry.

    All of a run have one length, but its last may be shorter; a run has at most ``MAX_SEGMENTS``
    datagrams and ``MAX_DATAGRAM`` bytes. An empty datagram is a run of its own.
    """
    run: list[bytes] = []
    for one in datagrams:
        if run and (
            len(one) > len(run[0])
            or len(run[-1]) < len(run[0])
            or not one
            or len(run) == min(MAX_SEGMENTS, MAX_DATAGRAM // max(len(run[0]), 1))
        ):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _is_one_run(datagrams: Sequence[bytes]) -> bool:
    """Whether one message carries all of them; False may also mean that it takes a closer look."""
    if not 1 < len(datagrams) <= MAX_SEGMENTS:
        return False
    sizes = list(map(len, datagrams))
    size, last, whole = sizes[0], sizes[-1], sizes.count(sizes[0])
    return (
        (whole == len(sizes) or (whole == len(sizes) - 1 and last < size))
        and last > 0
        and len(sizes) * size <= MAX_DATAGRAM
    )


class UdpPort:
    """One UDP port, heard on a reactor.

    Args:
        reactor: where to wait.
        address: the local IPv4 address, "0.0.0.0" for all.
        port: the port; 0 lets the kernel choose.
        receive: called with each datagram. What it raises is a fault of ours: Twisted logs it and
            the port goes on.
        drops: counts what the kernel would not send, by reason.
    """

    def __init__(
        self,
        reactor: Reactor,
        address: str,
        port: int,
        receive: Receive,
        drops: Counter[str] | None = None,
    ) -> None:
        self.drops: Counter[str] = Counter() if drops is None else drops
        self._reactor = reactor
        self._wanted = (address, port)
        self._receive = receive
        self._asked: str | None = None
        self._socket: socket.socket | None = None
        self._sender: BurstSender | None = None

    @property
    def port(self) -> int:
        """The port in use, as the kernel chose it; 0 while stopped."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    def start(self) -> None:
        """Take the port.

        Raises:
            OSError: it is held, or not permitted.
        """
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            enlarge(opened)
            opened.bind(self._wanted)
        except OSError:
            opened.close()
            raise
        self._socket, self._sender = opened, BurstSender(opened)
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Give the port back; a second call does nothing."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = self._sender = None

    def send(self, data: bytes, peer: Address, source: str | None = None) -> None:
        """Send one datagram; see ``send_burst``."""
        self.send_burst([data], peer, source)

    def send_burst(
        self, datagrams: Sequence[bytes], peer: Address, source: str | None = None
    ) -> None:
        """Send datagrams in order; what the kernel refuses is counted in ``drops`` and lost.

        Args:
            datagrams: payloads.
            peer: to whom.
            source: the local address to send from. Without one it is, inside ``receive``, the
                address that was asked, and elsewhere the kernel's choice.
        """
        if self._sender is None:
            return
        try:
            self._sender.send(datagrams, peer, source or self._asked)
        except OSError as error:
            self.drops[not_sent(error)] += 1

    def fileno(self) -> int:
        """The socket's descriptor, -1 while stopped."""
        return self._socket.fileno() if self._socket is not None else -1

    def doRead(self) -> None:  # noqa: N802 -- twisted's name
        """Read what has arrived, up to a bound."""
        for _ in range(MAX_DATAGRAMS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                data, control, _flags, peer = self._socket.recvmsg(MAX_DATAGRAM, _CONTROL)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error about an earlier reply: reported once, and gone
                continue
            asked = _local_address(control)
            self._asked = None if asked == UNKNOWN else asked
            self._receive(data, peer, asked)
            self._asked = None

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 -- twisted's name
        """The reactor stops, or ``receive`` raised and the reactor has let us go."""
        if self._socket is not None and not is_shutdown(reason):
            self._asked = None
            self._reactor.addReader(self)
        else:
            self.stop()

    def logPrefix(self) -> str:  # noqa: N802 -- twisted's name
        """What Twisted calls us in its own errors."""
        return f"udp port {self._wanted[1]}"


def mtu_towards(peer: str) -> int:
    """Bytes of the largest packet on the route to ``peer``, as far as the kernel knows."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        probe.connect((peer, 9))  # discard; nothing is sent
        return probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    return DEFAULT_MTU


def gso_known(sock: socket.socket) -> bool:
    """Whether this kernel knows UDP_SEGMENT; one before 4.18 would send one huge datagram."""
    try:
        sock.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def is_shutdown(reason: Failure) -> bool:
    """Whether the reactor lets a descriptor go because it stops, and not for what was raised."""
    return isinstance(reason.value, ConnectionDone | ConnectionLost)


def not_sent(error: OSError) -> str:
    """Name the reason, to count by, why the kernel did not take a datagram."""
    return f"udp: not sent ({errno.errorcode.get(error.errno or 0, 'unknown')})"


def _local_address(control: list[tuple[int, int, bytes]]) -> str:
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(data) >= _PKTINFO.size:
            return socket.inet_ntoa(data[4:8])
    return UNKNOWN


def _from(source: str) -> tuple[int, int, bytes]:
    pktinfo = _PKTINFO.pack(0, socket.inet_aton(source), bytes(4))
    return socket.IPPROTO_IP, _IP_PKTINFO, pktinfo


def enlarge(opened: socket.socket) -> None:
    """Ask for a receive buffer beyond the system's bound, which takes CAP_NET_ADMIN; else to it."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
