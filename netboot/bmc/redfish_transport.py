"""HTTP to one BMC and nowhere else: its certificate checked, its replies of bounded size and time.

It stands where sushy's connector has a ``requests.Session``, of which it asks five things. What
that does besides for each request (cookies, proxies, pools, redirects to anywhere) cost more than
all that is said to a BMC; its errors and its ``Response`` are requests' own, as sushy wants them.
"""

import base64
import contextlib
import functools
import http.client
import json as plain_json
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict
from urllib3.util.ssl_ import assert_fingerprint

from netboot.bmc.model import Tls
from netboot.errors import BmcError

LARGEST_REPLY = 8 * 1024 * 1024
"""Bytes of one reply's body; a large one, a BIOS attribute registry, has about two million."""
WHOLE_REPLY_WITHIN = 120.0
"""Seconds for one reply's body, which may drip."""
KEPT_FOR = 5.0
"""Seconds a connection is kept between two readings: a BMC that restarted meanwhile forgot it."""
MOST_REDIRECTS = 5
"""Redirects of one request that are followed: some BMCs have their root at another path."""
TRUSTS = 64
"""Kinds of trust that are kept: sites have one or two CA files, and reading one takes a while."""
_PIECE = 64 * 1024
_LONGEST_TEXT = 200
_DEEPEST = 16  # errors within errors
_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what a target may have besides letters and digits
_SAME_METHOD = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_REDIRECTS = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, *_SAME_METHOD)
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_SAY_TRUST = (
    "netboot node set NODE --bmc-fingerprint HEX, --bmc-ca FILE or --bmc-insecure says what is"
)
_ANY_FORM = 47  # of zlib's: its own or gzip's, as the header says


@dataclass(frozen=True, slots=True)
class _Request:
    """One request to the BMC's own place."""

    method: str
    url: str
    body: bytes | None
    headers: dict[str, str]

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def target(self) -> str:
        parts = urlsplit(self.url)
        query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
        return quote(parts.path or "/", safe=_SAFE) + query


class Session:
    """Sends to one BMC alone, whatever a redirect or a link in a resource says.

    What is read goes by one connection as long as the BMC keeps it: handshakes are what its small
    processor takes longest for. Each change has a connection of its own: a reset on a kept one that
    the BMC was about to close would be lost, and its evidence takes a minute (``plan``).

    Args:
        base: its URL; no other scheme, host and port is sent to.
        tls: how the certificate is checked.

    Attributes:
        headers: sent with each request.
        auth: user and password for basic authentication, None for none.

    Raises:
        BmcError: the CA file cannot be used.
    """

    def __init__(self, base: str, tls: Tls) -> None:
        self._scheme, host, self._port = self._place = _place(base)
        self._host = host or ""
        self._context = _context(tls) if self._scheme == "https" else None
        self._fingerprint = tls.fingerprint if tls.verify else None
        self._kept: http.client.HTTPConnection | None = None
        self._kept_at = 0.0
        self.headers: dict[str, str] = {"Accept": "*/*"}
        self.auth: tuple[str, str] | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
        timeout: tuple[float, float],
        verify: bool = True,  # noqa: ARG002 -- ``tls`` has said so
    ) -> requests.Response:
        """Send one request and read its reply; a redirect to the same BMC is followed.

        Args:
            method: HTTP's.
            url: where.
            json: the body; None for none.
            headers: more of them, which win.
            timeout: seconds for the connection, and for each piece of the reply.
            verify: sushy's own word.

        Raises:
            requests.exceptions.InvalidURL: it is for another host.
            requests.ConnectionError: the reply is too large, breaks off or takes too long.
            requests.Timeout: no connection, or no reply, in time.
        """
        body = None if json is None else plain_json.dumps(json).encode()
        fields = {**self.headers, **(headers or {})}
        fields.setdefault("Accept-Encoding", "gzip, deflate")
        if method != "GET":
            fields["Connection"] = "close"
        if self.auth is not None:
            fields["Authorization"] = _basic(*self.auth)
        for _ in range(MOST_REDIRECTS):
            response = self._send(_Request(method, url, body, fields), timeout)
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or target is None:
                return response
            if method != "GET" and response.status_code not in _SAME_METHOD:
                problem = f"the BMC says that {method} is to be sent elsewhere: {target}"
                raise requests.exceptions.InvalidURL(problem)
            url = urljoin(url, target)
        raise requests.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects, last to {url}")

    def close(self) -> None:
        """Hang up."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _send(self, wanted: _Request, timeout: tuple[float, float]) -> requests.Response:
        if _place(wanted.url) != self._place:
            raise requests.exceptions.InvalidURL(f"the BMC points at another host: {wanted.url}")
        if time.monotonic() - self._kept_at > KEPT_FOR:
            self.close()
        kept, self._kept = (self._kept, None) if wanted.reads else (None, self._kept)
        if kept is not None:
            try:
                return self._exchange(kept, wanted)
            except requests.ConnectionError as error:
                if not isinstance(error.args[0], ConnectionError | http.client.BadStatusLine):
                    raise  # else the BMC had hung up, and to read anew changes nothing
        return self._exchange(self._connected(timeout), wanted)

    def _exchange(
        self, connection: http.client.HTTPConnection, wanted: _Request
    ) -> requests.Response:
        """Send a request and read its reply; the connection of a reading is kept if it may be."""
        response, keeps = requests.Response(), False
        response.url = wanted.url
        try:
            with _as_requests(requests.ReadTimeout):
                connection.request(wanted.method, wanted.target, wanted.body, wanted.headers)
                with connection.getresponse() as raw:
                    response.status_code, response.reason = raw.status, raw.reason
                    response.headers = CaseInsensitiveDict(raw.headers.items())
                    response._content = _body(raw)  # noqa: SLF001 -- as requests' own adapter would
                    keeps = wanted.reads and not raw.will_close
        finally:
            if keeps:
                self._kept, self._kept_at = connection, time.monotonic()
            else:
                connection.close()
        return response

    def _connected(self, timeout: tuple[float, float]) -> http.client.HTTPConnection:
        """A new connection to the BMC, its certificate checked."""
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.auto_open = 0
        if self._context is not None:
            connection.default_port = 443
        with _as_requests(requests.ConnectTimeout):
            sock = connection.sock = socket.create_connection((self._host, self._port), timeout[0])
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    connection.sock = self._secured(sock, self._context)
            except (OSError, urllib3.exceptions.SSLError):
                connection.close()
                raise
        connection.sock.settimeout(timeout[1])
        return connection

    def _secured(self, sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        secured = context.wrap_socket(sock, server_hostname=self._host)
        if self._fingerprint is not None:
            try:
                assert_fingerprint(secured.getpeercert(binary_form=True), self._fingerprint)
            except urllib3.exceptions.SSLError:
                secured.close()
                raise
        return secured


@contextlib.contextmanager
def _as_requests(late: type[requests.Timeout]) -> Iterator[None]:
    """Raise what goes wrong as requests would; what takes too long as ``late``."""
    try:
        yield
    except TimeoutError as error:
        raise late(error) from error
    except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
        raise requests.exceptions.SSLError(error) from error
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise requests.ConnectionError(error) from error


def _body(raw: http.client.HTTPResponse) -> bytes:
    deadline = time.monotonic() + WHOLE_REPLY_WITHIN
    coded = raw.headers.get("Content-Encoding", "").lower() in _COMPRESSED
    decoder = zlib.decompressobj(_ANY_FORM) if coded else None
    body = bytearray()
    while piece := raw.read1(_PIECE):
        body += piece if decoder is None else decoder.decompress(piece, LARGEST_REPLY + 1)
        if len(body) > LARGEST_REPLY:
            raise OSError(f"a reply of more than {LARGEST_REPLY} bytes")
        if time.monotonic() > deadline:
            raise OSError(f"a reply not complete after {WHOLE_REPLY_WITHIN:.0f} s")
    if raw.length:
        raise http.client.IncompleteRead(bytes(body), raw.length)
    return bytes(body)


def _context(tls: Tls) -> ssl.SSLContext:
    """How certificates are checked; one for all BMCs that are trusted alike."""
    if tls.fingerprint or not tls.verify:  # the fingerprint says more than any authority
        return _unchecked()
    file = tls.ca_file or ssl.get_default_verify_paths().cafile
    try:
        return _trusting(tls.ca_file, Path(file).stat().st_mtime_ns if file else 0)
    except OSError as error:  # ssl.SSLError is one
        problem = error.strerror or str(error)
        raise BmcError(f"the CA file {file} cannot be used: {problem}") from None


@functools.lru_cache(TRUSTS)
def _trusting(ca_file: Path | None, changed: int) -> ssl.SSLContext:  # noqa: ARG001 -- a changed file is read anew
    """A context that trusts these authorities, None for the system's."""
    return ssl.create_default_context(cafile=ca_file)


@functools.cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _basic(user: str, password: str) -> str:
    """Basic authentication in UTF-8 (RFC 7617 section 2.1)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


@dataclass(frozen=True, slots=True)
class Loss:
    """Why no reply came.

    Attributes:
        text: in one sentence.
        sent: whether the BMC may have seen the request.
        passes: whether it may be better later.
    """

    text: str
    sent: bool
    passes: bool = True


def why_lost(error: BaseException) -> Loss:
    """Read what requests raised."""
    root = error
    for _ in range(_DEEPEST):
        root = _inner(root) or root
    text = " ".join(str(root).split())[:_LONGEST_TEXT] or "the connection broke off"
    match root:
        case ssl.SSLCertVerificationError():
            text = f"its certificate is not trusted: {root.verify_message}; {_SAY_TRUST}"
            return Loss(text, sent=False, passes=False)
        case urllib3.exceptions.SSLError() if "ingerprint" in text:
            return Loss(f"its certificate is not the pinned one: {text}", sent=False, passes=False)
        case requests.exceptions.InvalidURL():
            return Loss(text, sent=False, passes=False)
        case ssl.SSLError() | ConnectionRefusedError() | socket.gaierror():
            return Loss(root.strerror or text, sent=False)
    if isinstance(error, requests.ConnectTimeout):
        return Loss("no connection in time", sent=False)
    return Loss("no reply in time" if isinstance(error, requests.Timeout) else text, sent=True)


def _inner(error: BaseException) -> BaseException | None:
    """The error behind an error, by any of the ways in which urllib3 and requests keep it."""
    given = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((one for one in given if isinstance(one, BaseException) and one is not error), None)
