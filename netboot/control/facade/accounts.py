"""Who may use the facade: basic authentication and sessions (DSP0266, "Authentication")."""

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from netboot.bmc.model import Secret
from netboot.redfish.messages import Problem

MAX_SESSIONS = 256
SESSION_SECONDS = 1800
"""Seconds a session lives that nobody uses."""


@dataclass(slots=True)
class Session:
    """Somebody who logged in; ``used``: when a request of theirs came last."""

    number: str
    user: str
    token: Secret
    used: float


class Accounts:
    """Users and their sessions; safe from many threads.

    Args:
        users: passwords by name; every one of them may do everything.
        clock: seconds that are never put back.
    """

    def __init__(
        self, users: Mapping[str, Secret], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = users
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def user_of(self, headers: Mapping[str, str]) -> str:
        """Whose request this is, by its header fields in lower case.

        Raises:
            Problem: 401, nobody's.
        """
        token = headers.get("x-auth-token")
        user = self._by_token(token) if token else self._by_basic(headers.get("authorization", ""))
        if user is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "AccessDenied",
                headers={"WWW-Authenticate": 'Basic realm="Redfish"'},
            )
        return user

    def log_in(self, user: str, password: str) -> Session:
        """A new session.

        Raises:
            Problem: 401, the user or the password is wrong; 503, there are too many sessions.
        """
        if not self._is(user, password):
            raise Problem(HTTPStatus.UNAUTHORIZED, "AccessDenied")
        with self._lock:
            self._forget_old()
            if len(self._sessions) >= MAX_SESSIONS:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "SessionLimitExceeded")
            number, token = secrets.token_hex(4), Secret(secrets.token_hex(16))
            session = Session(number, user, token, self._clock())
            self._sessions[number] = session
            return session

    def log_out(self, number: str) -> None:
        """End a session; one that is gone is no error."""
        with self._lock:
            self._sessions.pop(number, None)

    def sessions(self) -> Mapping[str, Session]:
        """Those there are, by number."""
        with self._lock:
            self._forget_old()
            return dict(self._sessions)

    def _by_token(self, token: str) -> str | None:
        with self._lock:
            self._forget_old()
            for session in self._sessions.values():
                if hmac.compare_digest(session.token.reveal().encode(), token.encode()):
                    session.used = self._clock()
                    return session.user
        return None

    def _by_basic(self, field: str) -> str | None:
        scheme, _, encoded = field.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if self._is(user, password) else None

    def _is(self, user: str, password: str) -> bool:
        known = self._users.get(user, Secret(""))
        same = hmac.compare_digest(known.reveal().encode(), password.encode(errors="replace"))
        return same and user in self._users

    def _forget_old(self) -> None:
        oldest = self._clock() - SESSION_SECONDS
        for number, session in list(self._sessions.items()):
            if session.used < oldest:
                del self._sessions[number]
