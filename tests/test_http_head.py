"""A plain request head is read the short way, any other by Twisted; nobody can tell which."""

# ruff: noqa: N802 -- Twisted gives its hooks their names
# mypy: allow-untyped-calls
# Twisted's test transport has no annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from netboot.boot import http_channel
from netboot.boot.http import BootHttp, HttpLimits
from netboot.boot.http_head import RequestHead, read_plain
from tests.http_peer import FakePlane

LIMITS = HttpLimits(line_bytes=300, head_bytes=400, head_fields=4)
PLAIN = b"GET /ipxe/52:54:00:00:00:01?uuid=1 HTTP/1.1\r\nHost: a\r\n\r\n"
NOT_PLAIN = {
    "a part of a head": PLAIN[:-2],
    "two heads": PLAIN + PLAIN,
    "an empty line first": b"\r\n" + PLAIN,
    "bare line feeds": PLAIN.replace(b"\r\n", b"\n"),
    "another method": PLAIN.replace(b"GET", b"PUT"),
    "another version": PLAIN.replace(b"1.1", b"2.0"),
    "two spaces": PLAIN.replace(b"GET ", b"GET  "),
    "no path": PLAIN.replace(b"/ipxe", b"http://a/ipxe"),
    "a target beyond ASCII": PLAIN.replace(b"ipxe", b"ipx\xe9"),
    "a value beyond ASCII": PLAIN.replace(b": a", b": \xe4"),
    "a control character": PLAIN.replace(b": a", b": \x00"),
    "a field without a name": PLAIN.replace(b"Host", b""),
    "a space before the colon": PLAIN.replace(b"Host", b"Host "),
    "a folded field": PLAIN.replace(b": a", b": a\r\n b"),
    "a field twice": PLAIN.replace(b"Host: a\r\n", b"Host: a\r\nhost: a\r\n"),
    "a body": PLAIN.replace(b"Host: a", b"Content-Length: 3"),
    "a body in chunks": PLAIN.replace(b"Host: a", b"Transfer-Encoding: chunked"),
    "a body on demand": PLAIN.replace(b"Host: a", b"expect: 100-continue"),
    "too long": PLAIN.replace(b": a", b": " + b"a" * LIMITS.line_bytes),
    "too many fields": PLAIN.replace(b"Host: a\r\n", b"a:\r\nb:\r\nc:\r\nd:\r\ne:\r\n"),
}


def test_what_a_plain_head_says() -> None:
    head = read_plain(PLAIN.replace(b": a", b":\ta b "), LIMITS)
    assert head == RequestHead(
        b"GET", b"/ipxe/52:54:00:00:00:01?uuid=1", b"HTTP/1.1", {"host": "a b"}, persistent=True
    )


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_whatever_is_not_plain_is_left_to_twisted(data: bytes) -> None:
    assert read_plain(PLAIN, LIMITS) is not None
    assert read_plain(data, LIMITS) is None


# ---- the same requests to two servers, of which one has no short way


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> FakePlane:
    plane = FakePlane()
    plane.add("f", tmp_path_factory.mktemp("http") / "f", bytes(range(200)))
    return plane


class Wire(StringTransport):
    """A connection whose other side takes everything."""

    def getHandle(self) -> "Wire":
        return self

    def getsockopt(self, *_asked: int) -> bytes:
        return b""  # no TCP_INFO

    def loseWriteConnection(self) -> None:
        self.io.write(b"(no more)")


def told(plane: FakePlane, pieces: Iterable[bytes]) -> tuple[Any, ...]:
    """All that comes of ``pieces`` sent over one connection: heads, replies, drops, its end."""
    clock, heads = Clock(), []
    server = BootHttp(clock, plane, limits=LIMITS)
    connections = server._connections
    connections.now = clock.seconds
    answer = connections.answer

    def noted(channel: Any, head: RequestHead, over: Any) -> None:
        heads.append(head)
        answer(channel, head, over)

    connections.answer = noted
    peer = cast("IAddress", IPv4Address("TCP", "192.0.2.7", 4))
    channel = connections.buildProtocol(peer)
    assert channel is not None
    channel.makeConnection(transport := Wire())
    for piece in pieces:
        if not transport.disconnecting:
            channel.dataReceived(piece)
        while transport.producer is not channel and transport.producer is not None:
            transport.producer.resumeProducing()
    plane.reports.queue.clear()
    state = channel.busy, channel._reading_head, channel.deadline
    return heads, transport.value(), transport.disconnecting, dict(server.drops), state


def assert_same(plane: FakePlane, pieces: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 1_700_000_000.0)
        patch.setattr(secrets, "token_hex", lambda size: "0" * size)
        by_both = told(plane, pieces)
        patch.setattr(http_channel, "read_plain", lambda _data, _limits: None)
        assert by_both == told(plane, pieces)


METHODS = st.sampled_from([b"GET", b"HEAD", b"GET", b"POST", b"get", b"G(T", b""])
TARGETS = st.one_of(
    st.sampled_from(
        [
            b"/f", b"/f", b"/f?x=%zz&x=1;y", b"//f", b"/%66", b"/%ff", b"/ipxe/525400000001?a=b",
            b"/ipxe/52:54:00:00:00:01?uuid=%31&uuid=2", b"/ipxe/x", b"/healthz", b"/node/t/x",
            b"http://h/f", b"*", b"/a b", b"",
        ]
    ),
    st.binary(max_size=9).map(lambda end: b"/" + end),
)  # fmt: skip
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b""])
NAMES = st.one_of(
    st.sampled_from(
        [
            b"Host", b"Range", b"range", b"If-None-Match", b"If-Range", b"Connection",
            b"connection", b"Cookie", b"User-Agent", b"Content-Length", b"Transfer-Encoding",
            b"Expect", b"Upgrade", b"HTTP2-Settings", b"Content-Type",
        ]
    ),
    st.binary(max_size=4),
    st.text("aZ0-_ !:", max_size=4).map(str.encode),
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [
            b" a", b"\tbytes=0-9 ", b" bytes=5-,0-1", b" bytes=999-", b" *", b" close",
            b"keep-alive", b" Close , x", b" x close", b" 0", b" 3", b" chunked", b" identity",
            b" 100-continue", b" h2c", b"", b" a\r\n b", b" a\r\n\tclose",
        ]
    ),
    st.binary(max_size=6),
)  # fmt: skip
FIELDS = st.lists(st.tuples(NAMES, VALUES).map(b":".join), max_size=5)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b""])
HEADS = st.builds(
    lambda line, fields, end: b"\r\n".join([b" ".join(line), *fields, b""]) + end,
    st.tuples(METHODS, TARGETS, VERSIONS),
    FIELDS,
    ENDS,
)
PIECES = st.one_of(
    HEADS,
    st.just(PLAIN),
    st.just(PLAIN.replace(b"Host", b"Connection").replace(b": a", b": close")),
    st.lists(HEADS, max_size=3).map(b"".join),
    st.tuples(HEADS, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
    st.sampled_from([b"\r\n", b"\n", b"GET /f HTTP/1.1\r\nX: ", b"G", PLAIN + b"GET", PLAIN * 20]),
    st.binary(max_size=20),
)


@settings(deadline=None)
@given(HEADS)
def test_a_head_is_answered_the_same_by_either(plane: FakePlane, head: bytes) -> None:
    assert_same(plane, [head])


@settings(deadline=None)
@given(st.lists(PIECES, max_size=5))
@example([PLAIN + b"GET", PLAIN])
@example([b"GET /f HTTP/1.1\r\nX: ", PLAIN, b"\r\n"])
@example([PLAIN + b"GET /f HTTP/1.1\r\nX: ", PLAIN, b"\r\n"])
@example([PLAIN + b"\r\n", PLAIN, b"\r\n" + PLAIN])
@example([PLAIN * 20, PLAIN])
@example([PLAIN.replace(b"1.1", b"1.0"), PLAIN])
def test_a_connection_is_answered_the_same_however_its_requests_are_cut(
    plane: FakePlane, pieces: list[bytes]
) -> None:
    assert_same(plane, pieces)


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_after_what_is_not_plain_the_next_request_is_read_as_ever(
    plane: FakePlane, data: bytes
) -> None:
    assert_same(plane, [PLAIN, data, PLAIN, PLAIN])
