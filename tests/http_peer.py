"""A plane of a few files, and our HTTP server in front of it on a reactor and thread of its own."""

import hashlib
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from netboot.answer.springboard import Patched
from netboot.boot.http import BootHttp, HttpLimits, SentFile
from netboot.errors import NotServed
from netboot.model import ImageFile, Mac

PATIENCE = 15.0
"""Seconds after which something that should have happened has not."""


class FakePlane:
    """Serves what it was given; remembers what it was asked and told."""

    def __init__(self) -> None:
        self.files: dict[str, ImageFile] = {}
        self.nodes: dict[tuple[str, str], bytes] = {}
        self.patched: dict[tuple[Mac, str], Patched] = {}
        self.discs: dict[str, list[str]] = {}
        self.ignored: set[str] = set()
        self.problem: str | None = None
        self.broken: Exception | None = None
        self.names: list[str] = []
        self.asked: list[tuple[Any, ...]] = []
        self.reports: queue.Queue[SentFile] = queue.Queue()

    def add(self, name: str, path: Path, content: bytes | None = None) -> ImageFile:
        if content is not None:
            path.write_bytes(content)
        size = path.stat().st_size
        digest = hashlib.sha256(content if content is not None else name.encode()).hexdigest()
        self.files[name] = ImageFile(name, path, size, digest)
        return self.files[name]

    def health(self) -> str | None:
        return self.problem

    def file(self, name: str) -> ImageFile:
        self.names.append(name)
        if self.broken is not None:
            raise self.broken
        if name not in self.files:
            raise NotServed(f"{name}: not in the catalogue")
        return self.files[name]

    def script(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        self.asked.append((mac, peer, local, dict(query)))
        if mac in self.ignored:
            raise NotServed(f"{mac} is ignored")
        return f"#!ipxe\n# {mac}\n"

    def autoexec(self, peer: str, local: str) -> str:
        self.asked.append((peer, local))
        return "#!ipxe\n# autoexec\n"

    def media(self, mac: Mac, name: str, local: str) -> Patched:
        self.asked.append((mac, name, local))
        if (mac, name) not in self.patched:
            raise NotServed("no such medium")
        return self.patched[mac, name]

    def discs_of(self, mac: Mac) -> list[str]:
        return sorted(name for of, name in self.patched if of == mac)

    def discs_in(self, image: str) -> list[str]:
        if image not in self.discs:
            raise NotServed("no CDs are there")
        return self.discs[image]

    def node_file(self, token: str, name: str, peer: str, local: str) -> bytes:
        self.asked.append((token, name, peer, local))
        if self.broken is not None:
            raise self.broken
        if (token, name) not in self.nodes:
            raise NotServed("no such token")
        return self.nodes[token, name]

    def report(self, token: str, query: Mapping[str, str], peer: str, *, last: bool) -> None:
        self.asked.append((token, dict(query), peer, last))
        if self.broken is not None:
            raise self.broken

    def sent(self, sent: SentFile) -> None:
        self.reports.put(sent)

    def reported(self) -> SentFile:
        return self.reports.get(timeout=PATIENCE)


@dataclass
class Served:
    """The server, as its clients see it and, by ``call``, as its own thread does."""

    plane: FakePlane
    server: BootHttp
    reactor: EPollReactor

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def call(self, function: Callable[[], Any]) -> Any:
        """Run it in the reactor's thread; what it returns may be a Deferred."""
        answer: Future[Any] = Future()

        def run() -> None:
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 -- handed over to the thread that asked
                answer.set_exception(error)
                return
            if isinstance(result, Deferred):
                result.addCallbacks(answer.set_result, lambda f: answer.set_exception(f.value))
            else:
                answer.set_result(result)

        self.reactor.callFromThread(run)
        return answer.result(PATIENCE)

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        client.settimeout(PATIENCE)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            client.connect(("127.0.0.1", self.server.port))
        except OSError:
            client.close()
            raise
        return client

    def client(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def talk(self, request: bytes) -> bytes:
        """Send ``request`` on a connection of its own; everything that comes back until it ends."""
        with self.connect() as client:
            client.sendall(request)
            return read_all(client)

    def open_connections(self) -> int:
        return int(self.call(lambda: len(self.server._connections)))


@contextmanager
def serving(plane: FakePlane, limits: HttpLimits | None = None) -> Iterator[Served]:
    reactor = EPollReactor()
    server = BootHttp(reactor, plane, address="127.0.0.1", port=0, limits=limits or HttpLimits())
    served = Served(plane, server, reactor)
    thread = threading.Thread(
        target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True
    )
    thread.start()
    try:
        served.call(server.start)
        yield served
    finally:
        served.call(server.stop)
        reactor.callFromThread(reactor.stop)
        thread.join(PATIENCE)


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side ends the connection, in whatever way."""
    pieces = []
    try:
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *arguments],
        capture_output=True,
        check=False,
    )


def open_fds(path: Path) -> int:
    """How often this process holds ``path`` open."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += entry.readlink() == path
        except FileNotFoundError:
            continue  # closed meanwhile, by the server's thread or by iterdir
    return count


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until ``holds``; it is asked again and again, since nothing tells when it changes."""
    asked = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if holds():
            return
        asked.wait(0.01)
    raise AssertionError("it never came true")
