"""File parts → socket: sendfile and its slow twin give the same bytes, and no file stays open."""

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from netboot.boot import sendfile
from netboot.boot.ranges import ByteRange
from netboot.boot.sendfile import LOST, TRUNCATED, UNREADABLE, BodySender, Part, acknowledged
from tests.http_peer import eventually

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
SIZE = 300_000
CONTENT = bytes(n * 7919 % 251 for n in range(SIZE))

Sendfile: TypeAlias = Callable[[int, int, int, int], int]


class FakeReactor:
    """Wakes nobody: the test turns the crank."""

    def __init__(self) -> None:
        self.writers: set[object] = set()
        self.calls: list[Callable[[], object]] = []

    def addReader(self, reader: object) -> None: ...  # noqa: N802 -- Twisted's name

    def removeReader(self, reader: object) -> None: ...  # noqa: N802 -- Twisted's name

    def addWriter(self, writer: object) -> None:  # noqa: N802 -- Twisted's name
        self.writers.add(writer)

    def removeWriter(self, writer: object) -> None:  # noqa: N802 -- Twisted's name
        self.writers.discard(writer)

    def callLater(self, _delay: float, call: Callable[..., object], *args: object) -> None:  # noqa: N802 -- Twisted's name
        self.calls.append(lambda: call(*args))


class Line:
    """A connection, its far end, and one sender on it."""

    def __init__(self, file: Path, parts: Sequence[Part], buffer: int = 4096) -> None:
        near, self.far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.far.settimeout(0)
        self.reactor = FakeReactor()
        self.transport = Connection(near, Protocol(), self.reactor)
        self.transport.connected = 1
        self.ends: list[tuple[int, str | None]] = []
        self.fd = os.open(file, os.O_RDONLY)
        self.sender = BodySender(self.transport, self.fd, HEAD, parts, self._ended)
        self.received = bytearray()

    def _ended(self, sent: int, problem: str | None) -> None:
        self.ends.append((sent, problem))

    def turn(self) -> None:
        """What a reactor does once: let the writer write, read at the far end, run what is due."""
        if self.transport in self.reactor.writers:
            problem = self.transport.doWrite()
            if problem is not None:
                self.transport.connectionLost(Failure(problem))
        for call in self.reactor.calls:
            call()
        self.reactor.calls.clear()

    def take(self, most: int = 1 << 20) -> None:
        with suppress(BlockingIOError, ConnectionResetError):
            self.received += self.far.recv(most)

    def run(self) -> None:
        for _ in range(10_000):
            self.turn()
            self.take()
            if self.ends and self.transport not in self.reactor.writers:
                return
        raise AssertionError("it never ends")

    def close(self) -> None:
        if self.transport.connected:
            self.transport.connectionLost(Failure(ConnectionError("test over")))
        self.far.close()


def refuse(error: int, times: int = 1 << 30) -> Sendfile:
    """An ``os.sendfile`` that works, and from its second call on gives ``error``."""
    real, calls = os.sendfile, [0]

    def fake(out: int, file: int, offset: int, count: int) -> int:
        calls[0] += 1
        if 1 < calls[0] <= times + 1:
            raise OSError(error, os.strerror(error))
        return real(out, file, offset, min(count, 1000))

    return fake


def never(_out: int, _file: int, _offset: int, _count: int) -> int:
    raise OSError(errno.EINVAL, "not on this file system")


@pytest.fixture(scope="module")
def file() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as made:
        made.write(CONTENT)
        made.flush()
        yield Path(made.name)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def expected(parts: Sequence[Part]) -> bytes:
    return HEAD + b"".join(
        part if isinstance(part, bytes) else CONTENT[part.start : part.stop] for part in parts
    )


_RANGES = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 150_000)).map(
    lambda drawn: ByteRange(drawn[0], min(SIZE, drawn[0] + drawn[1]))
)
_PARTS = st.lists(st.binary(min_size=1, max_size=300) | _RANGES, max_size=5)


@pytest.mark.parametrize(
    "kernel",
    [os.sendfile, never, refuse(errno.EINVAL), refuse(errno.EOPNOTSUPP)],
    ids=["sendfile", "slow twin", "refused half way", "not supported half way"],
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=_PARTS, before=st.sampled_from([b"", b"an earlier reply"]))
def test_every_way_gives_the_same_bytes(
    kernel: Sendfile,
    file: Path,
    parts: list[Part],
    before: bytes,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sendfile.os, "sendfile", kernel)
        line = Line(file, parts)
        try:
            line.transport.write(before)
            line.sender.start()
            line.run()
            assert bytes(line.received) == before + expected(parts)
            size = sum(part.size for part in parts if isinstance(part, ByteRange))
            assert line.ends == [(size, None)]
            assert line.transport.producer is None
            assert not is_open(line.fd)
        finally:
            line.close()


def test_nothing_is_sent_while_the_reader_takes_nothing(file: Path) -> None:
    line = Line(file, [ByteRange(0, SIZE)])
    line.sender.start()
    for _ in range(100):
        line.turn()
    assert line.ends == []
    assert len(line.transport.dataBuffer) + line.transport._tempDataLen == 0
    line.run()
    assert line.ends == [(SIZE, None)]
    line.close()


@pytest.mark.parametrize("kernel", [os.sendfile, never], ids=["sendfile", "slow twin"])
def test_one_wake_up_sends_a_bounded_piece(
    file: Path, monkeypatch: pytest.MonkeyPatch, kernel: Sendfile
) -> None:
    monkeypatch.setattr(sendfile.os, "sendfile", kernel)
    monkeypatch.setattr(sendfile, "CHUNK", 5000)
    monkeypatch.setattr(sendfile, "READ_CHUNK", 5000)
    line = Line(file, [ByteRange(0, SIZE)], buffer=1 << 20)
    line.sender.start()
    for turns in range(1, 10):
        line.take()
        assert len(line.received) <= len(HEAD) + 5000 * turns
        line.turn()
    line.run()
    assert bytes(line.received) == expected([ByteRange(0, SIZE)])
    line.close()


@pytest.mark.parametrize("kernel", [os.sendfile, never], ids=["sendfile", "slow twin"])
def test_a_file_that_ends_early_breaks_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Sendfile
) -> None:
    monkeypatch.setattr(sendfile.os, "sendfile", kernel)
    short = tmp_path / "short"
    short.write_bytes(b"0123456789")
    line = Line(short, [ByteRange(0, 20)])
    line.sender.start()
    line.run()
    assert line.ends == [(10, TRUNCATED)]
    assert not line.transport.connected
    assert not is_open(line.fd)
    line.close()


@pytest.mark.parametrize(
    ("error", "problem"),
    [(errno.EIO, UNREADABLE), (errno.ECONNRESET, LOST), (errno.EPIPE, LOST)],
)
def test_an_error_on_the_way_breaks_the_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: int, problem: str
) -> None:
    monkeypatch.setattr(sendfile.os, "sendfile", refuse(error))
    line = Line(file, [ByteRange(0, SIZE)])
    line.sender.start()
    line.run()
    assert line.ends == [(1000, problem)]
    assert not line.transport.connected
    assert not is_open(line.fd)
    line.close()


def test_an_unreadable_disk_under_the_slow_twin(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int, _count: int, _offset: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sendfile.os, "sendfile", never)
    monkeypatch.setattr(sendfile.os, "pread", broken)
    line = Line(file, [ByteRange(0, SIZE)])
    line.sender.start()
    line.run()
    assert line.ends == [(0, UNREADABLE)]
    line.close()


@pytest.mark.parametrize("turns", range(4))
def test_a_lost_connection_closes_the_file_whenever_it_comes(file: Path, turns: int) -> None:
    line = Line(file, [ByteRange(0, SIZE)])
    line.sender.start()
    for _ in range(turns):
        line.turn()
    line.transport.connectionLost(Failure(ConnectionError("gone")))
    assert [problem for _, problem in line.ends] == [LOST]
    assert not is_open(line.fd)
    line.close()


def test_a_connection_lost_before_the_start(file: Path) -> None:
    line = Line(file, [ByteRange(0, SIZE)])
    line.transport.connectionLost(Failure(ConnectionError("gone")))
    line.sender.start()
    assert line.ends == [(0, LOST)]
    assert not is_open(line.fd)
    line.close()


def test_acknowledged_counts_what_the_peer_has_taken() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as near,
    ):
        far, _ = listener.accept()
        with far:
            before = acknowledged(near)
            near.sendall(b"x" * 10_000)
            far.recv(10_000, socket.MSG_WAITALL)
            eventually(lambda: acknowledged(near) - before == 10_000)
    assert acknowledged(near) == 0  # a closed socket says nothing
