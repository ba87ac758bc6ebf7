"""The fake machines' reading of HTTP replies, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.simulate.effects import Got, HttpGet, Problem
from netboot.simulate.http import MAX_HEAD, Reply, request

GET = HttpGet("http://10.0.0.2:8080/ipxe/x", "iPXE/1.21.1", keep=5)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REPLIES = {
    "by length": (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n1234567", 7, b"12345"),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0, b""),
    "chunked": (CHUNKED + b"3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n", 13, b"abc01"),
    "to the end": (b"HTTP/1.0 200 OK\r\n\r\nhello!", 6, b"hello"),
}


def read(raw: bytes, piece: int, get: HttpGet = GET) -> Got | None:
    reply = Reply(get)
    for at in range(0, len(raw), piece):
        reply.receive(raw[at : at + piece])
    if reply.got is None:
        reply.receive(b"")
    return reply.got


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_a_body_comes_whole_in_any_pieces(name: str, piece: int) -> None:
    raw, size, body = REPLIES[name]
    assert read(raw, piece) == Got(None, "", size, body)


@pytest.mark.parametrize("name", ["by length", "chunked"])
def test_a_body_cut_short_is_told(name: str) -> None:
    got = read(REPLIES[name][0][:-6], 1000)
    assert got is not None
    assert got.problem is Problem.BROKE_OFF


def test_a_head_has_no_body() -> None:
    get = HttpGet("http://10.0.0.2/a", "UefiHttpBoot/1.0", head=True)
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 1000, get) == Got()


@pytest.mark.parametrize(
    ("raw", "problem", "detail"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Problem.MISSING, "HTTP 404 Not Found"),
        (b"HTTP/1.1 410 Gone\r\n\r\n", Problem.MISSING, "HTTP 410 Gone"),
        (b"HTTP/1.1 500\r\n\r\n", Problem.REFUSED, "HTTP 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n", Problem.REFUSED, "HTTP 302 Found"),
        (b"SSH-2.0-x\r\n\r\n", Problem.REFUSED, "no HTTP reply"),
        (b"x" * (MAX_HEAD + 1), Problem.REFUSED, "no HTTP reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n", Problem.REFUSED, "no HTTP reply"),
        (b"", Problem.BROKE_OFF, "ended after 0 bytes"),
    ],
)
def test_a_reply_that_is_no_file_is_told(raw: bytes, problem: Problem, detail: str) -> None:
    got = read(raw, 4096)
    assert got is not None
    assert got.problem is problem
    assert detail in got.detail


def test_a_request_names_its_host_and_agent() -> None:
    assert request(GET, "/ipxe/x", "10.0.0.2:8080") == (
        b"GET /ipxe/x HTTP/1.1\r\nHost: 10.0.0.2:8080\r\nUser-Agent: iPXE/1.21.1\r\n"
        b"Connection: close\r\n\r\n"
    )


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=20), st.booleans())
def test_whatever_comes_nothing_is_raised(pieces: list[bytes], chunked: bool) -> None:
    reply = Reply(GET)
    if chunked:
        reply.receive(CHUNKED)
    for piece in [*pieces, b""]:
        reply.receive(piece)
    assert reply.got is not None
