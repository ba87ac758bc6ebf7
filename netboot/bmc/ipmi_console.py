"""A machine's serial line by Serial over LAN (IPMI 2.0, section 15 and 24)."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from netboot.bmc.sol import Sol
from netboot.errors import BmcError

MOST_UNREAD = 256 * 1024
"""Bytes that wait for a reader; of more, the oldest are lost."""
WRITE_TIMEOUT = 10.0
"""Seconds the BMC gets to take what was typed before."""
ALIVE_EVERY = 20.0
"""Seconds between two questions whether the line is still ours; BMCs end idle sessions after 60."""

_APP = 0x06
_ACTIVATE, _DEACTIVATE, _WHOSE = 0x48, 0x49, 0x4B
_SOL, _INSTANCE = 1, 1
_PROTECTED = 0xC0  # encrypted and authenticated (section 24.1)
_SIZE = slice(4, 6)  # of a payload to the BMC, in the response to Activate Payload


class SolSession(Protocol):
    """What a line needs of a session; ``ipmi_session.Session`` is one."""

    where: str

    @property
    def number(self) -> int:
        """What the BMC calls it."""

    def request(self, netfn: int, command: int, data: tuple[int, ...] = ()) -> bytes:
        """Send one request; BmcError."""

    def on_sol(self, take: Callable[[bytes], Sequence[bytes]] | None) -> None:
        """Hand each SOL payload over, and send what is given for it."""

    def send_sol(self, payloads: Sequence[bytes]) -> None:
        """Send SOL payloads."""

    def close(self) -> None:
        """Log out."""


class SolLine:
    """The serial line, from ``SolLine()`` to ``close()``. Somebody must keep reading it.

    Args:
        session: logged in, and for this line alone; it is closed with the line.
        force: whether it is taken from whoever has it.
        clock: seconds, for tests.

    Raises:
        BmcError: the BMC has no serial line for us, in its words; the session is closed.
    """

    def __init__(
        self,
        session: SolSession,
        *,
        force: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._clock = clock
        self._sol = Sol()
        self._unread = bytearray()
        self._changed = threading.Condition()
        self._alive = clock() + ALIVE_EVERY
        session.on_sol(self._take)
        if force:
            self._deactivate()
        try:
            said = session.request(_APP, _ACTIVATE, (_SOL, _INSTANCE, _PROTECTED, 0, 0, 0))
        except BmcError:
            session.on_sol(None)
            session.close()
            raise
        with self._changed:
            self._sol.limit(int.from_bytes(said[_SIZE], "little"))

    def read(self, timeout: float) -> bytes:
        """As ``SerialLine.read``."""
        until = self._clock() + timeout
        while True:
            self._keep_going()
            with self._changed:
                if self._unread:
                    found = bytes(self._unread)
                    self._unread.clear()
                    return found
                if self._sol.ended:
                    raise BmcError(f"{self._session.where}: {self._sol.ended}")
                if (now := self._clock()) >= until:
                    return b""
                self._changed.wait(max(0.0, min(until, self._sol.timer, self._alive) - now))

    def write(self, characters: bytes) -> None:
        """As ``SerialLine.write``."""
        until = self._clock() + WRITE_TIMEOUT
        rest = characters
        while rest:
            with self._changed:
                if self._sol.ended:
                    raise BmcError(f"{self._session.where}: {self._sol.ended}")
                piece, rest = rest[: self._sol.room], rest[self._sol.room :]
                self._sol.write(piece)
                packets = self._sol.packets(self._clock())
                if rest and not self._changed.wait(max(0.0, until - self._clock())):
                    raise BmcError(f"{self._session.where} is slow to take what is typed")
            self._session.send_sol(packets)

    def close(self) -> None:
        """Deactivate SOL and log out."""
        with self._changed:
            was_open = not self._sol.ended
            self._sol.ended = self._sol.ended or "the console is closed"
            self._changed.notify_all()
        self._session.on_sol(None)
        if was_open:
            self._deactivate()
        self._session.close()

    def _deactivate(self) -> None:
        """End SOL, whoever has it (section 24.2)."""
        with contextlib.suppress(BmcError):  # nobody has
            self._session.request(_APP, _DEACTIVATE, (_SOL, _INSTANCE, 0, 0, 0, 0))

    def _take(self, packet: bytes) -> Sequence[bytes]:
        """Take a payload, in the session's own thread."""
        with self._changed:
            now = self._clock()
            self._unread += self._sol.receive(packet, now)
            if (over := len(self._unread) - MOST_UNREAD) > 0:
                del self._unread[:over]
            self._changed.notify_all()
            return self._sol.packets(now)

    def _keep_going(self) -> None:
        """Send what is due, and see from time to time that the line is still ours."""
        with self._changed:
            now = self._clock()
            packets = self._sol.packets(now)
            asks = now >= self._alive and not self._sol.ended
        self._session.send_sol(packets)
        if asks:
            self._alive = now + ALIVE_EVERY
            gone = self._gone()
            with self._changed:
                self._sol.ended = self._sol.ended or gone

    def _gone(self) -> str:
        """Why the line is not ours any more; "" while it is."""
        try:
            owner = self._session.request(_APP, _WHOSE, (_SOL, _INSTANCE))[:4]
        except BmcError as error:
            return str(error) if error.retryable else ""  # not every BMC knows the question
        ours = int.from_bytes(owner, "little") == self._session.number
        return "" if ours else "the BMC has given the console to somebody else, or to nobody"
