"""TFTP and HTTP reads over real sockets, from one address and by one interface."""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from netboot.simulate.effects import Get, Got, HttpGet, Problem, TftpGet
from netboot.simulate.http import Reply, request
from netboot.simulate.link import bind_to
from netboot.simulate.tftp import LINGER, Datagram, Download

HTTP_STALL = 30.0
"""Seconds an HTTP server may be silent."""
HTTP_READ = 1 << 16
"""Bytes read at once; nothing but the start of a script is kept."""

_HTTP_PORT = 80

Drops = Callable[[], bool]
"""Whether the next datagram is lost."""


class Fetcher:
    """Reads files for machines.

    Args:
        interface: nothing leaves by another one.
        drops: asked for each TFTP datagram, both ways.
    """

    def __init__(self, interface: str, drops: Drops) -> None:
        self._interface = interface
        self._drops = drops

    async def get(self, get: Get, address: str) -> Got:
        """Read from ``address``; whatever happens is in the answer."""
        try:
            if isinstance(get, TftpGet):
                return await self._tftp(get, address)
            return await self._http(get, address)
        except TimeoutError:
            return Got(Problem.NO_ANSWER, f"silent for {HTTP_STALL:.0f} s")
        except ConnectionResetError:
            return Got(Problem.BROKE_OFF, "the connection was reset")
        except (OSError, ValueError) as error:  # ValueError: an address or a URL that is none
            return Got(Problem.NO_ANSWER, getattr(error, "strerror", None) or str(error))

    async def _tftp(self, get: TftpGet, address: str) -> Got:
        loop = asyncio.get_running_loop()
        opened = self._socket(socket.SOCK_DGRAM, address)
        transport, client = await loop.create_datagram_endpoint(
            lambda: _TftpClient(loop, Download(get, loop.time()), self._drops), sock=opened
        )
        try:
            return await client.done
        finally:
            # a server that did not hear the last ACK hears it again
            loop.call_later(LINGER, transport.close)

    async def _http(self, get: HttpGet, address: str) -> Got:
        url = urlsplit(get.url)
        if url.scheme != "http" or not url.hostname:
            return Got(Problem.REFUSED, "a fake machine reads http:// and tftp:// alone")
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        loop = asyncio.get_running_loop()
        reply = Reply(get)
        with self._socket(socket.SOCK_STREAM, address) as opened:
            async with asyncio.timeout(HTTP_STALL):
                await loop.sock_connect(opened, (url.hostname, url.port or _HTTP_PORT))
                await loop.sock_sendall(opened, request(get, target, url.netloc))
            while reply.got is None:
                async with asyncio.timeout(HTTP_STALL):
                    data = await loop.sock_recv(opened, HTTP_READ)
                reply.receive(data)
        return reply.got

    def _socket(self, kind: socket.SocketKind, address: str) -> socket.socket:
        opened = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
        try:
            bind_to(opened, self._interface)
            opened.bind((address, 0))
        except OSError:
            opened.close()
            raise
        return opened


class _TftpClient(asyncio.DatagramProtocol):
    """A ``Download`` on a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, download: Download, drops: Drops) -> None:
        self.done: asyncio.Future[Got] = loop.create_future()
        self._loop = loop
        self._download = download
        self._drops = drops
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self._tick()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._drops():
            self._send(self._download.receive(data, addr, self._loop.time()))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        self._send(self._download.tick(self._loop.time()))

    def _send(self, datagrams: list[Datagram]) -> None:
        for payload, peer in datagrams:
            if self._transport is not None and not self._drops():
                self._transport.sendto(payload, peer)
        if self._download.got is not None and not self.done.done():
            self.done.set_result(self._download.got)
        if self._timer is None and self._download.timer is not None:
            # one timer at a time: a datagram moves the deadline, not the timer
            self._timer = self._loop.call_at(self._download.timer, self._tick)
