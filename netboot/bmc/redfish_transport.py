"""HTTP to one BMC and nowhere else: its certificate checked, its replies of bounded size and time.

requests sends, as sushy wants it; this is the adapter that it sends by.
"""

import io
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from netboot.bmc.model import Tls
from netboot.errors import BmcError

LARGEST_REPLY = 8 * 1024 * 1024
"""Bytes of one reply's body; a large one, a BIOS attribute registry, has about two million."""
WHOLE_REPLY_WITHIN = 120.0
"""Seconds for one reply's body, which may drip."""
_PIECE = 64 * 1024
_LONGEST_TEXT = 200
_DEEPEST = 16  # errors within errors


class Transport(HTTPAdapter):
    """Sends to one BMC alone, whatever a redirect or a link in a resource says.

    Each request has a connection of its own, as sushy asks for: a reset on a kept one that the BMC
    was about to close would be lost, and its evidence takes a minute (``plan``).

    Args:
        base: its URL; no other scheme, host and port is sent to.
        tls: how the certificate is checked.

    Raises:
        BmcError: the CA file cannot be used.
    """

    def __init__(self, base: str, tls: Tls) -> None:
        self._place = _place(base)
        self._context = _context(base, tls)
        self._fingerprint = tls.fingerprint if tls.verify else None
        if not tls.verify:  # shown with the node, so not once more by every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- requests' own
        """Have every connection checked as ``tls`` says."""
        super().init_poolmanager(
            *args, **kwargs, ssl_context=self._context, assert_fingerprint=self._fingerprint
        )

    def build_connection_pool_key_attributes(
        self,
        *args: Any,  # noqa: ANN401 -- requests' own
        **kwargs: Any,  # noqa: ANN401 -- likewise
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Where to connect; requests' own way of checking certificates is left out."""
        return super().build_connection_pool_key_attributes(*args, **kwargs)[0], {}

    def cert_verify(self, *args: object, **kwargs: object) -> None:
        """Checked by the context."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override] # noqa: ANN401 -- requests' own
        """Send one request and read its reply.

        Raises:
            requests.exceptions.InvalidURL: it is for another host.
            requests.ConnectionError: the reply is too large, breaks off or takes too long.
        """
        if _place(request.url or "") != self._place:
            problem = f"the BMC points at another host: {request.url}"
            raise requests.exceptions.InvalidURL(problem)
        response = super().send(request, **(kwargs | {"stream": True}))
        try:
            response.raw = io.BytesIO(_body(response))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            response.close()
            raise requests.ConnectionError(error, request=request) from None
        return response


def _body(response: requests.Response) -> bytes:
    deadline = time.monotonic() + WHOLE_REPLY_WITHIN
    body = bytearray()
    while piece := response.raw.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > LARGEST_REPLY:
            raise OSError(f"a reply of more than {LARGEST_REPLY} bytes")
        if time.monotonic() > deadline:
            raise OSError(f"a reply not complete after {WHOLE_REPLY_WITHIN:.0f} s")
    response.raw.close()
    return bytes(body)


def _context(base: str, tls: Tls) -> ssl.SSLContext:
    """How the certificate is checked; the system's authorities are read only where they count."""
    trusts_any = tls.fingerprint or not tls.verify  # the fingerprint says more than any authority
    if trusts_any or not base.startswith("https:"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:  # ssl.SSLError is one
        problem = error.strerror or str(error)
        raise BmcError(f"the CA file {tls.ca_file} cannot be used: {problem}") from None


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
            text = f"its certificate is not trusted: {root.verify_message}"
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
