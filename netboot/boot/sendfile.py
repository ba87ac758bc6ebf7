"""Parts of a file → a connection, without the bytes passing through Python.

``os.sendfile`` copies from the page cache to the socket inside the kernel. A ``BodySender`` is a
*pull producer* of its connection's transport: the transport asks it for more whenever it has
nothing left to write. That is the backpressure, and it is also the proof that every byte written
before has gone out, so that the sender may use the socket itself. One wake-up sends at most
``CHUNK`` bytes: one fast client takes its turn with everybody else, DHCP included.

Where sendfile cannot be used (no plain TCP socket, a file system that refuses it) the same parts
are read and written: slower, byte for byte the same.

``sendfile`` blocks while the disk is read. A file that is in use is in the page cache; for the
first reader of a cold one the kernel is told to read ahead, and ``CHUNK`` bounds the wait.
"""

# ruff: noqa: N802 -- Twisted gives its hooks their names
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from twisted.internet.interfaces import IPullProducer
from twisted.internet.tcp import Connection
from zope.interface import implementer  # type: ignore[import-untyped]  # zope has no types

from netboot.boot.ranges import ByteRange

CHUNK = 1 << 20
"""Bytes one wake-up may send by the kernel; a socket seldom has room for as many."""
READ_CHUNK = 1 << 16
"""Bytes one wake-up may read and write where sendfile is refused: one transport buffer."""

LOST = "connection lost"
TRUNCATED = "file ended early"
UNREADABLE = "file cannot be read"

_REFUSED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ESPIPE, errno.EOVERFLOW})
_DISK = frozenset({errno.EIO, errno.ESTALE, errno.EUCLEAN})
_BYTES_ACKED = slice(120, 128)
"""``tcpi_bytes_acked`` of ``struct tcp_info``, linux/tcp.h, since Linux 4.1."""

Part: TypeAlias = bytes | ByteRange
"""Literal bytes, such as a multipart boundary, or bytes of the file; neither is empty."""


def acknowledged(handle: socket.socket) -> int:
    """How many bytes the peer has acknowledged since the connection was made (TCP_INFO).

    What the kernel has accepted from us says nothing about a reader that has stopped reading;
    this does. 0 where the socket does not say.
    """
    try:
        info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    except OSError:
        return 0
    return int(struct.unpack("=Q", info[_BYTES_ACKED])[0]) if len(info) == _BYTES_ACKED.stop else 0


def send_now(
    transport: Any,  # noqa: ANN401 -- Twisted's transports share interfaces, not a type
    data: bytes,
) -> bytes:
    """Put ``data`` straight into the socket, as much as it has room for.

    Returns:
        The rest, for the transport to write: all of it where there is no plain TCP socket, bytes
        of before are still to go out, or the connection is lost, which the transport notices.
    """
    peer = _plain_socket(transport)
    if peer is None or _holds_bytes(transport):
        return data
    try:
        return data[peer.send(data) :]
    except OSError:
        return data


class _Truncated(Exception):  # noqa: N818 -- never leaves this module
    """The file is shorter than its parts."""


@implementer(IPullProducer)
class BodySender:
    """Sends one response's head and body to one transport.

    Args:
        transport: the connection's; no producer may be registered on it.
        fd: the open file. It belongs to the sender from now on, which closes it in every case.
        head: bytes that go first.
        parts: the body in order.
        done: called exactly once, with the bytes of the file that were handed to the connection
            and the problem, None when all of it was. By then the sender is no longer registered;
            after a problem the connection is lost or being aborted.
    """

    def __init__(
        self,
        transport: Any,  # noqa: ANN401 -- Twisted's transports share interfaces, not a type
        fd: int,
        head: bytes,
        parts: Iterable[Part],
        done: Callable[[int, str | None], None],
    ) -> None:
        self._transport = transport
        self._fd = fd
        self._parts: deque[Part] = deque([head, *parts])
        self._done = done
        self._sent = 0
        self._socket = _plain_socket(transport)
        self._must_wait = False
        self._registered = False
        self.ended = False

    def send_now(self) -> bool:
        """Send what the socket has room for, before any producer is registered.

        Returns:
            Whether that was all there is to do; otherwise ``start`` sends the rest.
        """
        if self._socket is not None and not _holds_bytes(self._transport):
            self.resumeProducing()
        return self.ended

    def start(self) -> None:
        """Send the rest as the connection takes it."""
        if any(isinstance(part, ByteRange) and part.size > CHUNK for part in self._parts):
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._must_wait = self._socket is not None and _holds_bytes(self._transport)
        self._registered = True
        self._transport.registerProducer(self, streaming=False)  # pulls before it returns

    def resumeProducing(self) -> None:
        """The transport has nothing left to write: give it, or its socket, the next piece."""
        if self._must_wait:  # the pull of registerProducer, while bytes from before us are there
            self._must_wait = False
            return
        if self.ended:
            return
        try:
            if self._socket is not None:
                self._push(self._socket)
            if self._socket is None:
                self._write()
        except _Truncated:
            self._fail(TRUNCATED)
        except OSError as problem:
            self._fail(UNREADABLE if problem.errno in _DISK else LOST)

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._end(LOST)

    def _push(self, peer: socket.socket) -> None:
        """Straight to the socket, as much as it has room for; None to ``_socket`` if refused."""
        budget = CHUNK
        try:
            while self._parts and budget > 0:
                budget -= self._hand_over(peer, self._parts[0], budget)
        except BlockingIOError:
            pass
        except OSError as problem:
            if problem.errno not in _REFUSED:
                raise
            self._socket = None
            return
        if self._parts:
            self._transport.startWriting()  # wakes us when the socket has room again
        else:
            self._finish()

    def _hand_over(self, peer: socket.socket, part: Part, most: int) -> int:
        if isinstance(part, bytes):
            count = peer.send(part)  # MSG_MORE spares a packet, and trebles sendfile's own cost
        else:
            count = os.sendfile(peer.fileno(), self._fd, part.start, min(part.size, most))
            if count == 0:
                raise _Truncated
        self._advance(part, count)
        return count

    def _write(self) -> None:
        """The slow twin: one piece read and written, and the next when it has gone out."""
        if not self._parts:
            self._finish()
            return
        part = self._parts[0]
        if isinstance(part, bytes):
            data = part
        else:
            data = os.pread(self._fd, min(part.size, READ_CHUNK), part.start)
            if not data:
                raise _Truncated
        self._advance(part, len(data))
        self._transport.write(data)

    def _advance(self, part: Part, count: int) -> None:
        """The first ``count`` bytes of ``part``, which is the next, are done."""
        if isinstance(part, bytes):
            size = len(part)
        else:
            size = part.size
            self._sent += count
        if count == size:
            self._parts.popleft()
        elif isinstance(part, bytes):
            self._parts[0] = part[count:]
        else:
            self._parts[0] = ByteRange(part.start + count, part.stop)

    def _finish(self) -> None:
        if self._registered:
            self._transport.unregisterProducer()
        self._end(None)

    def _fail(self, problem: str) -> None:
        """The body cannot be completed, and its length is promised: only a broken line says so."""
        self._end(problem)
        self._transport.abortConnection()

    def _end(self, problem: str | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._parts.clear()
        os.close(self._fd)
        self._done(self._sent, problem)


def _plain_socket(transport: object) -> socket.socket | None:
    """The socket under ``transport`` where bytes put there are what the peer reads."""
    if not isinstance(transport, Connection) or transport.TLS:
        return None
    return transport.getHandle()


def _holds_bytes(transport: Connection) -> bool:
    """Whether something written is still in ``transport``'s own buffers."""
    return bool(transport.dataBuffer or transport._tempDataBuffer)  # noqa: SLF001 -- no public way
