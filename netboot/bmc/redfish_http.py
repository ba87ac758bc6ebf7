"""A logged-in conversation with one Redfish service (DSP0266), over sushy's connector.

sushy carries the connection, the session and basic authentication. It repeats nothing: a repeated
POST may be a second reset. What a BMC refuses or leaves open becomes a ``BmcError`` here.

- A session that has expired (401) is opened once more, and the request sent again: it was not
  carried out.
- A BMC that says it is busy, and until when (Retry-After), is waited for if the request may be
  repeated.
- A BMC that opens no session, for it has none or all are taken, is asked by basic authentication.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import requests
import sushy.auth  # type: ignore[import-untyped]
import sushy.connector  # type: ignore[import-untyped]
import sushy.exceptions  # type: ignore[import-untyped]
import sushy.main  # type: ignore[import-untyped]

from netboot.bmc.address import Address
from netboot.bmc.model import Login, Secret, Tls
from netboot.bmc.redfish_transport import Session, why_lost
from netboot.bmc.redfish_words import Json, is_busy, parsed, retry_after, shown, unsigned, words
from netboot.errors import BmcError

ROOT = "/redfish/v1/"

_log = logging.getLogger("sushy")
if _log.level == logging.NOTSET:
    _log.setLevel(logging.CRITICAL)  # whatever it warns of comes as a BmcError

_REFUSED = (sushy.exceptions.SushyError, AttributeError, KeyError, TypeError, ValueError)
"""What sushy raises: its own, and others over a reply of a shape that DSP0266 does not have."""
_PERHAPS_ACTED = frozenset({500, 502, 504})
_UNDER_WAY = frozenset({"New", "Starting", "Running", "Pending", "Service", "Stopping"})
_FAILED = frozenset({"Exception", "Killed", "Cancelled", "Interrupted"})
_ELLIPSIS = "…".encode()

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a BMC is waited for, all in seconds.

    Attributes:
        connect: for its TCP connection.
        read: for a reply to begin, and between its pieces: some BMCs think for half a minute.
        busy: in all for one request, where the BMC says until when it is busy.
        settle: for what it does after it has said yes: power off, eject, a task.
        pause: between two looks at whether it has.
    """

    connect: float = 10.0
    read: float = 60.0
    busy: float = 60.0
    settle: float = 30.0
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Reply:
    """What a BMC answered.

    Attributes:
        request: what was asked, in one line.
        status: HTTP's.
        said: its JSON object; empty where it sent none.
        etag: the header field.
        location: likewise.
    """

    request: str
    status: int
    said: Json = field(default_factory=dict)
    etag: str | None = None
    location: str | None = None


class Connection:
    """One BMC; logged in at the first request.

    Args:
        address: where.
        login: who we are; None for a BMC that asks nobody.
        tls: how its certificate is checked.
        timing: how long it is waited for.

    Attributes:
        root: the service root; empty before the first request, and for a BMC without one.
    """

    def __init__(
        self, address: Address, login: Login | None, tls: Tls, timing: Timing | None = None
    ) -> None:
        self.timing = timing or Timing()
        self.root: Json = {}
        self._login = login
        self._is_open = False
        self._auth: Any = None  # while there is a session
        self._last: requests.Response | None = None
        self._hidden: bytes = b""
        host = f"[{address.host}]" if ":" in address.host else address.host
        scheme = "https" if address.tls else "http"
        self._base = f"{scheme}://{host}:{address.port}"
        self._connector = sushy.connector.Connector(
            self._base,
            server_side_retries=1,  # one try in all; 0 would be three
            default_request_timeout=self.timing.read,
            connect_timeout=self.timing.connect,
            response_callback=self._keep,
        )
        self._session = Session(self._base, tls)
        self._connector._session = self._session  # noqa: SLF001 -- no other door

    def get(self, path: str) -> Reply:
        """Read a resource.

        Raises:
            BmcError: it is not there, or cannot be read.
        """
        reply = self.send("GET", path)
        if not reply.said:
            raise BmcError(f"GET {path}: the reply is no JSON object", retryable=True)
        return reply

    def find(self, path: str | None) -> Json:
        """A resource that may be missing: empty then, and where ``path`` is None.

        Raises:
            BmcError: the BMC does not answer.
        """
        if path is None:
            return {}
        try:
            return self.get(path).said
        except BmcError as error:
            if error.retryable:
                raise
            return {}

    def send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        etag: str | None = None,
        repeat: bool = True,
    ) -> Reply:
        """Send one request.

        Args:
            method: HTTP's.
            path: a path, or a URL of the same BMC.
            body: sent as JSON; shown in errors and in the timeline, so without secrets.
            etag: for If-Match.
            repeat: whether it may be sent again while the BMC is busy. Never for power.

        Raises:
            BmcError: refused, in the BMC's words; or not answered.
        """
        if not self._is_open:
            self._patiently(self._open)

        def ask() -> Reply:
            try:
                return self._once(method, path, body, etag)
            except _ExpiredError as refused:
                self._log_in_again(refused)
                return self._once(method, path, body, etag)

        return self._patiently(ask) if repeat else ask()

    def finish(self, reply: Reply) -> None:
        """Wait for the task that a reply has started (DSP0266, "Asynchronous operations").

        Raises:
            BmcError: it failed, in its own words; or it is not done after ``Timing.settle``.
        """
        if reply.status != HTTPStatus.ACCEPTED or not reply.location:
            return
        deadline = self.timing.clock() + self.timing.settle
        while True:
            seen = self.send("GET", reply.location)
            state = str(seen.said.get("TaskState", ""))
            if seen.status != HTTPStatus.ACCEPTED and state not in _UNDER_WAY:
                break
            if self.timing.clock() >= deadline:
                problem = f"{reply.request}: not done after {self.timing.settle:.0f} s"
                raise BmcError(problem, retryable=True, effect_unknown=True, request=reply.request)
            self.timing.sleep(self.timing.pause)
        if state in _FAILED:
            raise BmcError(f"{reply.request}: {state}: {words(seen.said)}", request=reply.request)

    def hide(self, secret: Secret | None) -> None:
        """Have what a BMC answers never repeat ``secret``, whatever is asked from now on."""
        self._hidden = json.dumps(secret.reveal())[1:-1].encode() if secret else b""

    def opened(self) -> tuple[Session, str]:
        """What carries requests that are not Redfish's, logged in, and the URL before a path."""
        if not self._is_open:
            self._patiently(self._open)
        return self._session, self._base

    def close(self) -> None:
        """Log out; never raises."""
        auth, self._auth, self._is_open = self._auth, None, False
        if auth is not None and (session := auth.get_session_resource_id()):
            try:
                self._connector.delete(session, allow_reauth=False, server_side_retries_left=0)
            except _REFUSED as error:  # its own timeout ends it
                _log.debug("cannot log out: %s", error)
            auth.reset_session_attrs()
        self._connector.close()

    def _open(self) -> None:
        """Read the service root and log in."""
        if self._login is None:
            self.root, self._is_open = self._found_root(), True
            return
        user, password = self._login.user, self._login.password.reveal()
        auth = sushy.auth.SessionOrBasicAuth(user, password)
        self._last = None
        try:
            service = sushy.main.Sushy(self._base, auth=auth, connector=self._connector)
        except sushy.exceptions.ConnectionError as error:
            raise self.lost("GET", ROOT, error) from None
        except _REFUSED:
            refusal = self._refusal("GET", ROOT)
            if refusal.retryable:
                raise refusal from None
            # no service root, or none for strangers
            self._connector.set_http_basic_auth(user, password)
            self.root, self._is_open = self._found_root(), True
            return
        self._auth, self._is_open, self.root = auth, True, service.json

    def _found_root(self) -> Json:
        try:
            return self._once("GET", ROOT, None, None).said
        except BmcError as error:
            if error.retryable:
                raise
            return {}  # it has none

    def _log_in_again(self, refused: BmcError) -> None:
        if self._auth is None or not self._auth.can_refresh_session():
            raise refused
        try:
            self._auth.refresh_session()
        except sushy.exceptions.ConnectionError as error:
            raise self.lost("GET", ROOT, error) from None
        except _REFUSED:
            raise refused from None

    def _once(self, method: str, path: str, body: Json | None, etag: str | None) -> Reply:
        self._last = None
        request = shown(method, path, body, etag)
        try:
            response = getattr(self._connector, method.lower())(
                path,
                data=body,
                headers={"If-Match": etag} if etag else None,
                allow_reauth=False,
                server_side_retries_left=0,
            )
        except sushy.exceptions.ConnectionError as error:
            raise self.lost(method, path, error, request) from None
        except _REFUSED:
            raise self._refusal(method, path, request) from None
        return Reply(
            request,
            response.status_code,
            self._parsed(response) or {},
            response.headers.get("ETag"),
            response.headers.get("Location"),
        )

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask again as long as the BMC says when."""
        deadline = self.timing.clock() + self.timing.busy
        while True:
            try:
                return ask()
            except _BusyError as busy:
                wait = max(busy.wait or 0.0, self.timing.pause)
                if busy.wait is None or self.timing.clock() + wait > deadline:
                    raise
                self.timing.sleep(wait)

    def _keep(self, response: requests.Response) -> None:
        self._last = response

    def _parsed(self, response: requests.Response) -> Json | None:
        content = response.content
        return parsed(content.replace(self._hidden, _ELLIPSIS) if self._hidden else content)

    def _refusal(self, method: str, path: str, request: str = "") -> BmcError:
        """What the last response says, which is an error or makes no sense."""
        response = self._last
        if response is None:
            return BmcError(f"{method} {path}: the reply makes no sense", request=request)
        status, said = response.status_code, self._parsed(response)
        told = words(said) if said is not None else "the reply is no JSON object"
        told = f": {told}" if told else ""
        problem = unsigned(f"{method} {path}: {status} {response.reason}{told}")
        if status == HTTPStatus.UNAUTHORIZED:
            return _ExpiredError(problem, request=request)
        if status == HTTPStatus.PRECONDITION_FAILED:
            return PreconditionFailedError(problem, request=request)
        if is_busy(status, said) or (status < HTTPStatus.BAD_REQUEST and said is None):
            acted = method != "GET" and status in _PERHAPS_ACTED
            busy = _BusyError(problem, retryable=True, effect_unknown=acted, request=request)
            busy.wait = retry_after(response.headers)
            return busy
        return BmcError(problem, request=request)

    def lost(self, method: str, path: str, error: Exception, request: str = "") -> BmcError:
        """What it means that no reply came."""
        loss = why_lost(error.__context__ or error)
        return BmcError(
            unsigned(f"{method} {path}: {loss.text}"),
            retryable=loss.passes,
            effect_unknown=method != "GET" and loss.sent,
            request=request,
        )


class PreconditionFailedError(BmcError):
    """412: the ETag sent as If-Match is not the resource's; nothing was changed."""


class _ExpiredError(BmcError):
    """401: the session has ended, or the login is wrong."""


class _BusyError(BmcError):
    """Later; ``wait`` seconds from now, None where the BMC does not say."""

    wait: float | None = None
