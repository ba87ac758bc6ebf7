"""Peers that mean harm, or were badly written: bounded, counted, never logged, never a victim."""

import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from netboot.boot import http_connections
from netboot.boot.http import HttpLimits
from tests.http_peer import FakePlane, Served, curl, eventually, open_fds, read_all, serving

MALFORMED = "http: malformed or too long request head"
OK = b"GET /healthz HTTP/1.1\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(
        FakePlane(), HttpLimits(line_bytes=1000, head_bytes=4000, head_fields=20)
    ) as running:
        path = tmp_path_factory.mktemp("hostile") / "big"
        with path.open("wb") as file:
            file.truncate(1 << 30)
        running.plane.add("big", path)
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    monkeypatch.setattr(http_connections, "SWEEP_SECONDS", 0.02)
    limits = HttpLimits(head_seconds=0.2, idle_seconds=0.2, stall_seconds=0.3, close_seconds=0.2)
    with serving(FakePlane(), limits) as running:
        path = tmp_path / "big"
        with path.open("wb") as file:
            file.truncate(1 << 30)
        running.plane.add("big", path)
        yield running


def still_serves(served: Served) -> bool:
    return served.talk(b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok\n")


@pytest.fixture
def log() -> Iterator[list[Any]]:
    lines: list[Any] = []
    globalLogPublisher.addObserver(lines.append)
    yield lines
    globalLogPublisher.removeObserver(lines.append)


# ---- garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1 x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\x00y\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n\r\n",
        b"a" * 200_000,
        b"GET / HTTP/1.1\r\nA: " + b"a" * 2000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 21 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 900 + b"\r\n") * 5 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n" + b" c\r\n" * 5000 + b"\r\n",
    ],
)
def test_garbage_gets_400_and_is_counted(served: Served, log: list[Any], garbage: bytes) -> None:
    counted = served.server.drops[MALFORMED]
    got = served.talk(garbage)
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert got.endswith(b"\r\n\r\nmalformed or too long request head\n")
    assert got.count(b"HTTP/1.1") == 1
    assert served.server.drops[MALFORMED] == counted + 1
    assert log == []


def test_a_refused_peer_is_not_reset_before_it_could_read_why(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"a" * 2000)
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert client.recv(1) == b""
        for _ in range(20):
            client.sendall(b"a" * 10_000)  # what was on its way; a broken pipe would be an error
    assert still_serves(served)


@pytest.mark.parametrize(
    "body",
    [
        b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 999999999999999\r\n\r\n",
        b"PUT /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"PUT /healthz HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_no_request_body_is_taken(served: Served, body: bytes) -> None:
    got = served.talk(body)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert got.endswith(b"\r\n\r\nno request body is taken here\n")


def test_a_peer_that_goes_on_sending_after_a_refusal_is_cut_off(served: Served) -> None:
    with served.connect() as client, pytest.raises(OSError, match=r"reset|Broken pipe"):
        client.sendall(b"a" * 100_000_000)
    assert still_serves(served)


_LINE = st.sampled_from(
    [b"GET /healthz HTTP/1.1", b"HEAD /big HTTP/1.0", b"Host: x", b"Range: bytes=0-", b"",
     b"Connection: keep-alive", b"Content-Length: 0", b"Range: bytes=-9,1-2,3-4"]
)  # fmt: skip
_GARBAGE = st.binary(max_size=400) | st.lists(_LINE | st.binary(max_size=60), max_size=12).map(
    lambda lines: b"\r\n".join([*lines, b""])
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(garbage=_GARBAGE)
def test_whatever_is_sent_the_server_goes_on(
    served: Served, log: list[Any], garbage: bytes
) -> None:
    with served.connect() as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    assert still_serves(served)
    assert log == []


# ---- slowness


def test_a_head_that_drips_in_is_cut_off(impatient: Served) -> None:
    with impatient.connect() as client:
        client.settimeout(0.02)
        ended = False
        for _ in range(200):  # four seconds; a head may take 0.2
            client.send(b"G")
            with suppress(TimeoutError):
                ended = client.recv(100) == b""
            if ended:
                break
        assert ended
    assert impatient.server.drops["http: request head took too long"] == 1


def test_connections_that_ask_nothing_are_closed(impatient: Served) -> None:
    with impatient.connect() as silent, impatient.connect() as asked_once:
        asked_once.sendall(OK)
        assert read_all(asked_once).endswith(b"\r\n\r\nok\n")
        assert read_all(silent) == b""
    assert sum(impatient.server.drops.values()) == 0  # that is no fault of theirs


def test_a_reader_that_stops_reading_is_cut_off(impatient: Served, tmp_path: Path) -> None:
    with impatient.connect(receive_buffer=4096) as client:
        client.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        report = impatient.plane.reported()
        assert not report.complete
    assert impatient.server.drops["http: reader stalled"] == 1
    assert open_fds(tmp_path / "big") == 0


def test_a_slow_reader_that_goes_on_reading_is_served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http_connections, "SWEEP_SECONDS", 0.02)
    plane = FakePlane()
    plane.add("mid", tmp_path / "mid", bytes(1 << 20))
    with (
        serving(plane, HttpLimits(stall_seconds=0.1, stall_bytes=1000)) as served,
        served.connect(receive_buffer=4096) as client,
    ):
        client.sendall(b"GET /mid HTTP/1.0\r\n\r\n")
        client.settimeout(0.005)
        received, waits = 0, 0
        while True:
            try:
                piece = client.recv(20_000)
            except TimeoutError:
                waits += 1
                continue
            if not piece:
                break
            received += len(piece)
        assert received > 1 << 20
        assert plane.reported().complete


def test_what_a_peer_does_not_take_is_not_made() -> None:
    """Pipelined requests whose answers nobody reads: neither is kept without bound."""
    plane = FakePlane()
    plane.nodes["t", "f"] = bytes(30_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = HttpLimits(requests_per_second=1e9, request_burst=1 << 30)
    with serving(plane, limits) as served:
        with served.connect(receive_buffer=4096) as client:
            client.settimeout(1.0)
            sent = 0
            with suppress(TimeoutError):  # that is, our side has stopped reading
                while sent < 64 << 20:
                    sent += client.send(b"GET /node/t/f HTTP/1.1\r\n\r\n" * 2000)
            assert sent < 16 << 20
            assert len(plane.asked) < 1000
        eventually(lambda: served.open_connections() == 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_every_pipelined_request_is_answered_in_the_end(served: Served) -> None:
    with served.connect() as client:
        client.sendall(OK * 999 + b"GET /healthz HTTP/1.0\r\n\r\n")
        assert read_all(client).count(b"\r\n\r\nok\n") == 1000


def test_a_burst_of_pipelined_requests_gives_way_to_everyone_else() -> None:
    plane = FakePlane()
    with serving(plane, HttpLimits(requests_per_turn=16)) as served:
        answered, answered_by_then = 0, []

        def counted() -> None:
            nonlocal answered
            if not answered:
                served.reactor.callLater(0, lambda: answered_by_then.append(answered))
            answered += 1

        plane.health = counted  # type: ignore[method-assign]
        with served.connect() as client:
            client.sendall(OK * 500 + b"GET /healthz HTTP/1.0\r\n\r\n")
            read_all(client)
    assert answered == 501
    assert answered_by_then == [16]


# ---- greed


def test_one_address_has_so_many_connections() -> None:
    with serving(FakePlane(), HttpLimits(connections_per_peer=3)) as served:
        held = [served.connect() for _ in range(3)]
        with served.connect() as fourth:
            assert read_all(fourth) == b""
        held.pop().close()
        eventually(lambda: served.open_connections() == 2)
        assert still_serves(served)
        for client in held:
            client.close()
        assert served.server.drops["http: too many connections of one address"] == 1


def test_the_connection_that_asks_nothing_makes_room() -> None:
    with serving(FakePlane(), HttpLimits(connections=3)) as served:
        held = [served.connect() for _ in range(3)]
        held[0].sendall(OK)
        assert held[0].recv(1000).endswith(b"ok\n")
        assert still_serves(served)
        assert read_all(held[1]) == b""  # it had been silent longest
        held[0].sendall(OK)
        assert held[0].recv(1000).endswith(b"ok\n")
        for client in held:
            client.close()
        assert served.server.drops["http: pushed out by a newer connection"] == 1


def test_a_transfer_is_never_pushed_out(tmp_path: Path) -> None:
    plane = FakePlane()
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    plane.add("big", path)
    with serving(plane, HttpLimits(connections=2)) as served:
        busy = [served.connect(receive_buffer=4096) for _ in range(2)]
        for client in busy:
            client.sendall(b"GET /big HTTP/1.1\r\n\r\n")
            assert client.recv(1)
        with served.connect() as third:
            assert read_all(third) == b""
        assert served.server.drops["http: too many connections"] == 1
        for client in busy:
            assert client.recv(1)
            client.close()


def test_requests_over_the_rate_wait_and_are_all_answered() -> None:
    limits = HttpLimits(requests_per_second=200.0, request_burst=10)
    with serving(FakePlane(), limits) as served, served.connect() as client:
        client.sendall(OK * 49 + b"GET /healthz HTTP/1.0\r\n\r\n")
        start = served.reactor.seconds()
        assert read_all(client).count(b"\r\n\r\nok\n") == 50
        assert served.reactor.seconds() - start > 0.15  # 40 over the burst take 0.2 s


def test_a_client_that_leaves_while_it_waits_is_forgotten() -> None:
    limits = HttpLimits(requests_per_second=0.01, request_burst=1)
    with serving(FakePlane(), limits) as served:

        def latest() -> float:
            now = served.reactor.seconds()
            return max(call.getTime() - now for call in served.reactor.getDelayedCalls())

        with served.connect() as client:
            client.sendall(OK * 2)
            assert client.recv(1000).endswith(b"ok\n")
            eventually(lambda: served.call(latest) > 50)
        eventually(lambda: served.open_connections() == 0)
        assert served.call(latest) < 50


def test_a_hundred_stalled_readers_do_not_slow_a_good_one(served: Served) -> None:
    stalled = [served.connect(receive_buffer=4096) for _ in range(100)]
    for client in stalled:
        client.sendall(b"GET /big HTTP/1.1\r\n\r\n")
    got = curl("-o", "/dev/null", "-w", "%{size_download}", "-r", "0-99999999", f"{served.url}/big")
    assert got.stdout == b"100000000"
    for client in stalled:
        client.close()
    eventually(lambda: served.open_connections() == 0)
