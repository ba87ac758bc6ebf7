"""How requests reach a BMC: what is sent, which replies are taken, and what becomes of the rest."""

import gzip
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from netboot.bmc import redfish_transport
from netboot.bmc.model import Tls
from netboot.bmc.redfish_transport import Session
from tests.self_signed import self_signed

TIMEOUT = (5.0, 5.0)
OK = b"HTTP/1.1 200 OK\r\n"
NO_BODY = b"Content-Length: 0\r\n\r\n"
Replies = bytes | tuple[bytes, ...]
"""To one connection."""


class Peer:
    """Gives each connection the next of ``replies``, then hangs up; keeps what it was asked."""

    def __init__(self, replies: Sequence[Replies]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._replies = replies
        self.asked: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        for replies in self._replies:
            connection, _ = self._listener.accept()
            self.connections.append(connection)
            given = replies if isinstance(replies, tuple) else (replies,)
            thread = threading.Thread(target=self._serve, args=(connection, given), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, replies: tuple[bytes, ...]) -> None:
        with connection:
            for reply in replies:
                if asked := _request(connection):
                    self.asked.append(asked)
                    connection.sendall(reply)

    def close(self) -> None:
        for thread in self._threads:
            thread.join(5.0)
        self._listener.close()


def _request(connection: socket.socket) -> bytes:
    """One request; b"" where the other side hangs up instead."""
    connection.settimeout(5.0)
    asked = b""
    while b"\r\n\r\n" not in asked:
        if not (piece := connection.recv(65536)):
            return b""
        asked += piece
    head, _, body = asked.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        while name.lower() == b"content-length" and len(body) < int(value):
            body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def answering(*replies: Replies) -> Iterator[tuple[Peer, Session]]:
    peer = Peer(replies)
    session = Session(peer.base, Tls())
    try:
        yield peer, session
    finally:
        session.close()
        peer.close()


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 4\r\n\r\nbody",
        OK + b"Content-Length: 4\r\n\r\nbody and more",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
        OK + b"\r\nbody",
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"body"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nbody",
    ],
    ids=["length", "too much", "chunks", "to the end", "gzip", "continue"],
)
def test_a_reply_is_read_as_it_says_that_it_is(reply: bytes) -> None:
    with answering(reply) as (peer, session):
        response = session.request("GET", f"{peer.base}/a", timeout=TIMEOUT)
    assert (response.status_code, response.content) == (200, b"body")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        OK + b"Content-Length: 5\r\n\r\nbody",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nbody",
        OK + b"Content-Encoding: gzip\r\n\r\nbody",
        OK + b"\r\n" + b"x" * 2000,
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 100_000),
        OK + b"A: b\r\n" * 200 + b"\r\n",
    ],
    ids=["nothing", "another", "short", "half a chunk", "no gzip", "large", "bomb", "headers"],
)
def test_what_is_no_reply_or_has_no_end_is_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    monkeypatch.setattr(redfish_transport, "LARGEST_REPLY", 1000)
    with answering(reply) as (peer, session), pytest.raises(requests.ConnectionError):
        session.request("GET", f"{peer.base}/a", timeout=TIMEOUT)


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    with answering(OK + b"Set-Cookie: a=b\r\n" + NO_BODY, OK + NO_BODY) as (peer, session):
        session.headers["X-Auth-Token"] = "token"
        for _ in range(2):
            url = f"{peer.base}/a b?c=%20|"
            session.request("PATCH", url, json={"d": "é"}, headers={"E": "f"}, timeout=TIMEOUT)
    assert peer.asked[0] == peer.asked[1]
    head, _, body = peer.asked[0].decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    assert (line, body) == ("PATCH /a%20b?c=%20%7C HTTP/1.1", '{"d": "\\u00e9"}')
    assert {"Connection: close", "X-Auth-Token: token", "E: f"} < set(fields)
    assert f"Host: {peer.base.removeprefix('http://')}" in fields


@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("pass:word", b"YWRtaW46cGFzczp3b3Jk"),
        ("pass\N{EURO SIGN}", b"YWRtaW46cGFzc+KCrA=="),
    ],
)
def test_basic_authentication(password: str, sent: bytes) -> None:
    with answering(OK + NO_BODY) as (peer, session):
        session.auth = ("admin", password)
        session.request("GET", peer.base, timeout=TIMEOUT)
    assert b"\r\nAuthorization: Basic " + sent + b"\r\n" in peer.asked[0]


def moved(status: int) -> bytes:
    return b"HTTP/1.1 %d Moved\r\nLocation: /b/\r\n" % status + NO_BODY


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("GET", 302), ("PATCH", 308)])
def test_a_redirect_to_the_same_bmc_is_followed(method: str, status: int) -> None:
    with answering(moved(status), OK + NO_BODY) as (peer, session):
        url = f"{peer.base}/b"
        response = session.request(method, url, json={}, timeout=TIMEOUT)
    assert response.status_code == 200
    assert peer.asked[1].startswith(f"{method} /b/ ".encode())
    assert peer.asked[1].endswith(b"{}")


def test_a_change_that_is_redirected_by_halves_is_refused() -> None:
    with (
        answering(moved(302)) as (peer, session),
        pytest.raises(requests.exceptions.InvalidURL, match="POST is to be sent elsewhere: /b/"),
    ):
        session.request("POST", f"{peer.base}/b", timeout=TIMEOUT)


def test_what_is_read_goes_by_one_connection_and_each_change_by_its_own() -> None:
    fine = OK + NO_BODY
    with answering((fine, fine, fine), fine) as (peer, session):
        for method in ("GET", "GET", "PATCH", "GET"):
            session.request(method, peer.base, timeout=TIMEOUT)
    said = [b"\r\nConnection: close\r\n" in asked for asked in peer.asked]
    assert said == [False, False, True, False]


def test_a_connection_is_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish_transport, "KEPT_FOR", -1.0)
    fine = OK + NO_BODY
    with answering((fine, fine), (fine, fine)) as (peer, session):
        for _ in range(2):
            session.request("GET", peer.base, timeout=TIMEOUT)
    assert len(peer.connections) == 2


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_bmc_that_hung_up_meanwhile_is_asked_anew(close: bytes) -> None:
    fine = OK + close + NO_BODY
    with answering(fine, fine) as (peer, session):
        for _ in range(2):
            assert session.request("GET", peer.base, timeout=TIMEOUT).status_code == 200
    assert len(peer.asked) == 2


def test_one_that_hangs_up_each_time_is_lost() -> None:
    fine = OK + NO_BODY
    with answering(fine, b"") as (peer, session):
        session.request("GET", peer.base, timeout=TIMEOUT)
        with pytest.raises(requests.ConnectionError):
            session.request("GET", peer.base, timeout=TIMEOUT)


def test_redirects_have_an_end() -> None:
    replies = [moved(301)] * redfish_transport.MOST_REDIRECTS
    with answering(*replies) as (peer, session), pytest.raises(requests.TooManyRedirects):
        session.request("GET", f"{peer.base}/b", timeout=TIMEOUT)
    assert len(peer.asked) == len(replies)


def test_bmcs_that_are_trusted_alike_share_one_context_until_the_file_changes(
    tmp_path: Path,
) -> None:
    context, file = redfish_transport._context, tmp_path / "ca.pem"
    file.write_bytes(self_signed(tmp_path)[1].read_bytes())
    first = context(Tls(ca_file=file))
    assert context(Tls(ca_file=file)) is first
    assert context(Tls(verify=False)) is context(Tls(fingerprint="00" * 32)) is not first
    stamp = file.stat().st_mtime_ns + 1_000_000
    os.utime(file, ns=(stamp, stamp))
    assert context(Tls(ca_file=file)) is not first
