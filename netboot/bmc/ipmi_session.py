"""IPMI 2.0 sessions (RMCP+), by pyghmi's client.

pyghmi has one event loop a process and is not safe in threads: a packet may be taken from its
queue by the wrong one. So one thread owns it, and everything pyghmi does happens there; the
threads of the drivers hand in requests and wait. pyghmi is imported when the first session is
opened.
"""

import contextlib
import logging
import queue
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any

from netboot.bmc.model import Login
from netboot.errors import BmcError

LOGIN_TIMEOUT = 20.0
"""Seconds to a session; pyghmi itself gives up on a silent BMC after about 5."""
REPLY_TIMEOUT = 30.0
"""Seconds to the response of one request, its repetitions and a new login included."""
LONGEST_NAME, LONGEST_PASSWORD = 16, 20
"""Bytes (IPMI 2.0, section 22.29 and 22.30)."""

_ROUND = 0.02
"""Seconds the loop waits for packets before it looks for requests again."""
_NO_ANSWER = 0xFFFF
"""pyghmi's own, beside the completion codes of one byte."""
_SOL = 1
"""Payload type (section 13.27.3)."""
_PASSING = frozenset({0xC0, 0xC3, 0xD1, 0xD2})
"""Completion codes that pass: busy, timeout, firmware update, starting (section 5.2)."""

log = logging.getLogger(__name__)

Reply = Mapping[str, Any]


class Session:
    """A logged-in session with one BMC, which nobody else shares.

    Args:
        host: name or address. ``port``: UDP.
        login: who we are.

    Attributes:
        where: host and port, for errors.

    Raises:
        BmcError: it did not answer (retryable), or did not let us in.
    """

    def __init__(self, host: str, port: int, login: Login) -> None:
        self.where = f"{host}:{port}"
        self._session: Any = None
        self._log_in(_numeric(host, port), port, login)

    def request(
        self, netfn: int, command: int, data: Sequence[int] = (), *, repeat: bool = True
    ) -> bytes:
        """Send one request; the data of its response, without the completion code.

        Args:
            netfn: network function.
            command: its number there (IPMI 2.0, appendix G).
            data: one integer a byte.
            repeat: whether it may be sent again where no response comes. Never for power.

        Raises:
            BmcError: the BMC refused it, in its words; or there was no response, and the effect
                is unknown.
        """

        def send(answer: Callable[[Reply], None]) -> None:
            self._session.raw_command(
                netfn=netfn, command=command, data=tuple(data), retry=repeat, callback=answer
            )

        said = _the_loop().ask(send, REPLY_TIMEOUT, finally_=self._idle)
        code = _NO_ANSWER if said is None else said.get("code", _NO_ANSWER)
        what = f"the IPMI request {netfn:#04x}/{command:#04x}"
        if said is None or code == _NO_ANSWER:
            raise BmcError(
                f"{self.where} did not answer {what}", retryable=True, effect_unknown=not repeat
            )
        if code:
            raise BmcError(
                f"{self.where} refused {what}: {_words(said)} ({code:#04x})",
                retryable=code in _PASSING,
            )
        return bytes(said.get("data", b""))

    @property
    def number(self) -> int:
        """What the BMC calls this session; 0 for one that is closed."""
        session = self._session
        return 0 if session is None else int(session.sessionid)

    def on_sol(self, take: Callable[[bytes], Sequence[bytes]] | None) -> None:
        """Hand each SOL payload to ``take``, in pyghmi's thread, and send what it gives.

        None ends it.
        """
        session = self._session

        def handle(payload: object) -> None:
            if take and isinstance(payload, bytes | bytearray):
                _send_sol(session, take(bytes(payload)))

        if session is not None:
            session.sol_handler = handle if take else None

    def send_sol(self, payloads: Sequence[bytes]) -> None:
        """Send SOL payloads, each once; does not wait."""
        if payloads and (session := self._session) is not None:
            _the_loop().post(lambda: _send_sol(session, payloads))

    def close(self) -> None:
        """Log out; never raises."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(BmcError):
                _the_loop().ask(lambda answer: answer(session.logout()), REPLY_TIMEOUT)

    def _log_in(self, address: str, port: int, login: Login) -> None:
        user, password = login.user, login.password.reveal()
        if len(user.encode()) > LONGEST_NAME or len(password.encode()) > LONGEST_PASSWORD:
            raise BmcError(
                f"IPMI takes a name of up to {LONGEST_NAME} bytes and a password of up to"
                f" {LONGEST_PASSWORD}"
            )

        def start(answer: Callable[[Reply], None]) -> None:
            from pyghmi.ipmi.command import Command  # type: ignore[import-untyped] # noqa: PLC0415 -- slow, without types

            command = Command(
                bmc=address,
                userid=user.encode(),  # by text, pyghmi never forgets that this login has begun
                password=password.encode(),
                port=port,
                kg=_Unshared(password),
                onlogon=lambda reply, _command: answer(reply),
                keepalive=False,
            )
            self._session = command.ipmi_session

        said = _the_loop().ask(start, LOGIN_TIMEOUT)
        if said is None or "error" in said:
            self.close()
            raise _login_refused(self.where, said)

    def _idle(self) -> None:
        """Leave the session fit for the next request; pyghmi asks this of who gives a callback."""
        if self._session is not None:
            self._session.incommand = False
            self._session.evq.clear()


class _Unshared(str):
    """The key a session has anyway, but equal to no other's: pyghmi shares sessions that are."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Loop:
    """The thread that owns pyghmi. It sleeps while no session is open."""

    def __init__(self) -> None:
        # never longer than there are threads waiting for an answer
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="ipmi", daemon=True).start()

    def ask(
        self,
        start: Callable[[Callable[[Reply], None]], object],
        timeout: float,
        *,
        finally_: Callable[[], None] = lambda: None,
    ) -> Reply | None:
        """Call ``start(answer)`` in the loop's thread; what ``answer`` is called with.

        ``finally_`` is called there too, when it was answered or is given up. None after
        ``timeout`` seconds.

        Raises:
            BmcError: pyghmi could not do it; retryable.
        """
        done: Future[Reply] = Future()

        def answer(reply: Reply) -> None:
            if not done.done():
                finally_()
                done.set_result(reply)

        def work() -> None:
            try:
                start(answer)
            except Exception as error:  # noqa: BLE001 -- pyghmi raises its own and whatever a packet makes of it
                if not done.done():
                    finally_()
                    done.set_exception(BmcError(f"IPMI: {error}", retryable=True))

        self._work.put(work)
        try:
            return done.result(timeout)
        except TimeoutError:
            done.cancel()
            self._work.put(finally_)
            return None

    def post(self, work: Callable[[], None]) -> None:
        """Call ``work``, which raises nothing, in the loop's thread soon."""
        self._work.put(work)

    def _run(self) -> None:
        from pyghmi.ipmi.private.session import Session as Pyghmi  # type: ignore[import-untyped] # noqa: PLC0415 -- slow, without types

        while True:
            if not Pyghmi.bmc_handlers:  # no session: nothing comes, and pyghmi has no socket yet
                self._work.get()()
            while not self._work.empty():
                self._work.get()()
            if Pyghmi.bmc_handlers:
                try:
                    Pyghmi.wait_for_rsp(timeout=_ROUND)
                except Exception as error:  # noqa: BLE001 -- what one BMC sends ends no other's session
                    log.debug("IPMI: %r", error)


@cache
def _the_loop() -> _Loop:
    return _Loop()


def _send_sol(session: Any, payloads: Sequence[bytes]) -> None:  # noqa: ANN401 -- pyghmi's
    try:
        for payload in payloads:
            session.send_payload(bytearray(payload), payload_type=_SOL, retry=False)
    except Exception as error:  # noqa: BLE001 -- pyghmi's own; what is lost is sent again
        log.debug("SOL: %r", error)


def _numeric(host: str, port: int) -> str:
    """The host's address: a slow name server is to hold up this thread, not the loop."""
    try:
        return str(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4][0])
    except OSError as error:
        raise BmcError(f"{host}: {error.strerror}", retryable=True) from None


def _login_refused(where: str, said: Reply | None) -> BmcError:
    words = "" if said is None else str(said.get("error", ""))
    if words in {"", "timeout", "Session failed to initialize"}:
        return BmcError(f"{where} does not answer IPMI", retryable=True)
    return BmcError(f"{where} does not let us in by IPMI: {words}")


def _words(said: Reply) -> str:
    from pyghmi.ipmi.private.util import get_ipmi_error  # type: ignore[import-untyped] # noqa: PLC0415 -- slow, without types

    return str(get_ipmi_error(dict(said)))
