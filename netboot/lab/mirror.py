"""The Debian mirror as machines inside the LAN see it: a reverse proxy to the real one.

The listening socket lives in a LAN host's namespace while the requests go out from this process's
own network, so the LAN itself stays closed. Nothing is invented: status, header fields and body
pass unchanged, also a 404; only the hop-by-hop fields of RFC 9110 section 7.6.1 are not passed
on. GET and HEAD only.
"""

import contextlib
import re
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit

import httpx

from netboot.errors import OperationError
from netboot.lab.journal import Journal
from netboot.lab.namespaces import Host

CONCURRENT = 16
"""Connections served at once; others wait in the backlog."""
IDLE_TIMEOUT = 30.0
"""Seconds a machine's connection may stay silent."""
UPSTREAM_TIMEOUT = 30.0
"""Seconds the real mirror may stay silent."""
KEPT_REQUESTS = 10_000
"""Paths noted; an installation asks for some thousand."""
STOP_LATENCY = 0.05
"""Seconds ``close`` may have to wait for the listening thread."""
CHUNK = 1 << 16

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"),
    }
)

Fields = list[tuple[str, str]]


class Mirror:
    """A running reverse proxy.

    Args:
        host: whose address it listens on.
        upstream: URL of the real mirror, for example ``http://mirror.example/debian``.
        port: TCP port in the LAN.

    Attributes:
        url: what the upstream is called inside the LAN; the same path on this host.
    """

    def __init__(self, host: Host, upstream: str, port: int = 80) -> None:
        parts = urlsplit(upstream.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise OperationError(
                "the Debian mirror's URL must be http://HOST/PATH or https://HOST/PATH"
            )
        self.host = host
        self.url = f"http://{host.address}:{port}{parts.path}".replace(":80/", "/")
        self._journal = Journal[str](KEPT_REQUESTS)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._client = httpx.Client(
            verify=ssl.create_default_context(),
            timeout=UPSTREAM_TIMEOUT,
            limits=httpx.Limits(max_connections=CONCURRENT),
        )
        self._server = _Server(host.listen(port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(STOP_LATENCY,),
            name=f"mirror at {self.url}",
            daemon=True,
        )
        self._thread.start()
        host.lan.on_close(self.close)

    @property
    def requests(self) -> list[str]:
        """Paths asked for, oldest first, without query; at most ``KEPT_REQUESTS``."""
        return self._journal.entries

    def wait_for(self, pattern: str, timeout: float) -> str:
        """The first path, past or to come, in which the regular expression is found.

        Raises:
            OperationError: none was asked for within ``timeout`` seconds.
        """
        found = self._journal.first(re.compile(pattern).search, timeout)
        if found is None:
            asked = ", ".join(self.requests[-5:]) or "nothing"
            raise OperationError(
                f"the mirror was not asked for {pattern!r} within {timeout:.0f} s; last: {asked}"
            )
        return found

    def close(self) -> None:
        """Stop listening; calling it twice is fine."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()

    def forward(self, method: str, target: str, fields: Fields) -> httpx.Response:
        """Note the request and ask the real mirror; the response's body is not read yet.

        Raises:
            httpx.HTTPError: the mirror cannot be reached.
        """
        self._journal.add(urlsplit(target).path)
        request = httpx.Request(method, self._origin + target, headers=_passed_on(fields))
        return self._client.send(request, stream=True)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, mirror: Mirror) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.mirror = mirror
        self._slots = threading.BoundedSemaphore(CONCURRENT)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's signature
        self._slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- likewise
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- likewise
        """A machine that hangs up or is switched off mid-transfer is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def log_message(self, *_: object) -> None:
        """Say nothing; ``Mirror.requests`` has it."""

    def _pass_on(self) -> None:
        try:
            response = self.server.mirror.forward(self.command, self.path, self.headers.items())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.send_error(
                502, "Bad Gateway", f"the real mirror gave no answer: {type(error).__name__}"
            )
            return
        with contextlib.closing(response):
            self._answer(response)

    def _answer(self, response: httpx.Response) -> None:
        self.send_response_only(response.status_code, response.reason_phrase)
        for name, value in _passed_on(response.headers.multi_items()):
            self.send_header(name, value)
        if "content-length" not in response.headers:  # its end is the connection's end
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "GET":
            for chunk in response.iter_raw(CHUNK):
                self.wfile.write(chunk)


def _passed_on(fields: Fields) -> Fields:
    dropped = set(_HOP_BY_HOP)
    for name, value in fields:
        if name.lower() == "connection":
            dropped |= {token.strip().lower() for token in value.split(",")}
    return [(name, value) for name, value in fields if name.lower() not in dropped]
