"""A small HTTP/1.1 server for many virtual BMCs: TLS, keep-alive, and replies that go wrong.

All listeners of a ``Server`` share one thread with an event loop; what a BMC does runs in worker
threads of that loop, since it may wait for QEMU. A library's server would mend or hide the very
faults that have to be shown: a dropped reply, a body that ends too early.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import unquote

LARGEST_HEAD = 32 * 1024
"""Bytes of a request's line and header fields."""
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of a request's body: an image uploaded to a PiKVM; all other bodies are a few hundred."""
IDLE_TIMEOUT = 60.0
"""Seconds a connection is kept between two requests."""
WORKERS = 16
"""Threads in which BMCs act."""
CONNECTIONS = 2048
"""Connections of all listeners together; one more is closed at once."""
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: in capitals.
        path: without the query, percent-encoding undone.
        query: as it was sent, "" for none.
        headers: names in lower case.
        body: as it was sent.
        secure: whether it came by TLS.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; ``cut`` bytes of its body are left out although its length counts them."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0


@dataclass(eq=False, slots=True)
class Listening:
    """One listener of a server, for ``Server.stop``."""

    listener: asyncio.Server | None = None
    connections: set[asyncio.Task[None]] = field(default_factory=set)


Handler = Callable[[Request], Awaitable[Reply | None]]
"""Answers a request; None hangs up without a word."""


class Server:
    """Listeners in a thread of their own, from ``start`` to ``close``.

    Use it as a context manager or call ``close``.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(WORKERS, "virtual-bmc"))
        self._listening: set[Listening] = set()
        self._thread = threading.Thread(target=self._run, name="virtual-bmcs", daemon=True)
        self._thread.start()

    def start(
        self, handler: Handler, listener: socket.socket, tls: ssl.SSLContext | None = None
    ) -> Listening:
        """Answer what comes to a bound TCP socket, which is ours from now on.

        The socket may belong to another network namespace than the caller.
        """
        starting = asyncio.run_coroutine_threadsafe(
            self._listen(handler, listener, tls), self._loop
        )
        return starting.result(_TIMEOUT)

    def stop(self, listening: Listening) -> None:
        """Stop one listener and hang up on who came by it. Calling it twice is fine."""
        asyncio.run_coroutine_threadsafe(self._end(listening), self._loop).result(_TIMEOUT)

    def close(self) -> None:
        """Stop them all. Calling it twice is fine."""
        if self._thread.is_alive():
            for listening in tuple(self._listening):
                self.stop(listening)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())

    async def _listen(
        self, handler: Handler, listener: socket.socket, tls: ssl.SSLContext | None
    ) -> Listening:
        listening = Listening()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if (
                task is None
                or sum(len(each.connections) for each in self._listening) >= CONNECTIONS
            ):
                writer.close()
                return
            listening.connections.add(task)
            try:
                await _converse(handler, reader, writer, secure=tls is not None)
            finally:
                listening.connections.discard(task)
                writer.close()

        listening.listener = await asyncio.start_server(
            connected, sock=listener, ssl=tls, limit=LARGEST_HEAD
        )
        self._listening.add(listening)
        return listening

    async def _end(self, listening: Listening) -> None:
        if listening in self._listening and listening.listener:
            self._listening.discard(listening)
            listening.listener.close()
            for task in tuple(listening.connections):
                task.cancel()
            await asyncio.gather(*listening.connections, return_exceptions=True)


async def _converse(
    handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
) -> None:
    """Answer one request after the other until either side has enough."""
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError, asyncio.CancelledError):
        while True:
            try:
                async with asyncio.timeout(IDLE_TIMEOUT):
                    request = await _request(reader, writer, secure=secure)
            except asyncio.IncompleteReadError:  # the peer has hung up
                return
            except (ValueError, asyncio.LimitOverrunError):
                writer.write(_written("GET", Reply(HTTPStatus.BAD_REQUEST), keep=False))
                await writer.drain()
                return
            keep = request.headers.get("connection", "").lower() != "close"
            reply = await handler(request)
            if reply is None:
                writer.transport.abort()
                return
            writer.write(_written(request.method, reply, keep=keep and not reply.cut))
            await writer.drain()
            if not keep or reply.cut:
                return


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
) -> Request:
    """Read one request (RFC 9112 section 2.1).

    Raises:
        ValueError: it is none, or its body is too large or of unknown length.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").lstrip("\r\n").split("\r\n")
    method, target, version = line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = dict(_fields(fields))
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if "transfer-encoding" in headers:
        raise ValueError("a body of unknown length")
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= LARGEST_BODY:
        raise ValueError("a body too large")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length)
    path, _, query = target.partition("?")
    return Request(method.upper(), unquote(path), query, headers, body, secure)


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("a header field without a colon")
        yield name.strip().lower(), value.strip()


def _written(method: str, reply: Reply, *, keep: bool) -> bytes:
    status = HTTPStatus(reply.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(reply.body)}")
    if not keep:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if method == "HEAD" or status == HTTPStatus.NO_CONTENT:
        return head
    return head + reply.body[: len(reply.body) - reply.cut]
