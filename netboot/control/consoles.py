"""Machines' serial lines, one reader and typist each, and what they say in the timeline.

A console is beside the actions: the machine may be switched while somebody looks on.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable

from netboot.bmc.credentials import Safe
from netboot.bmc.driver import HasConsole, SerialLine
from netboot.control.console_lines import Lines
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.jobs.bmc_turn import Leaving, Opener, Turn, login_of, no_bmc
from netboot.store.bmc_shapes import Bmc
from netboot.store.shapes import Unknown
from netboot.store.store import Store

MOST_CONSOLES = 32
"""Consoles open at a time, of all machines."""
LOOK_EVERY = 0.5
"""Seconds a reader waits at most for output before it looks whether the program ends."""
SHOWN_AGAIN = 10.0
"""Seconds after which a line that has no end, such as a prompt, is kept as it is."""


class ConsoleSession:
    """An open console; one thread reads, others may type.

    Attributes:
        id: nobody can guess it; who has it may type.
        asker: who opened it.
    """

    def __init__(
        self, turn: Turn, line: SerialLine, *, keep: bool, gone: Callable[[], None]
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.node = turn.node.name
        self._turn = turn
        self._line = line
        self._gone = gone
        self._lines = Lines(time.monotonic()) if keep else None
        self._said = time.monotonic()
        self._open = threading.Lock()  # taken once, by who closes it
        self._taken_by = ""

    def read(self) -> bytes:
        """What the machine has said; b"" where it was quiet for ``LOOK_EVERY`` seconds.

        Raises:
            BmcError: the line has ended.
            OperationError: somebody has taken it.
            Leaving: the program ends.
        """
        if self._turn.leaving.is_set():
            raise Leaving("the control program ended, and the console with it")
        try:
            output = self._line.read(LOOK_EVERY)
        except BmcError as error:
            if self._taken_by:
                raise OperationError(f"{self._taken_by} has taken the console") from None
            raise self._turn.cleaned(error) from None
        self._keep(output)
        return output

    def write(self, characters: bytes) -> None:
        """Type.

        Raises:
            BmcError: the line has ended, or the BMC takes no more.
        """
        self._line.write(characters)

    def is_of(self, turn: Turn | None) -> bool:
        """Whether it is what was asked for so."""
        return self._turn is turn

    def taken(self, asker: str) -> None:
        """End it for somebody else."""
        self._taken_by = asker
        self.close()

    def close(self) -> None:
        """End it and give the line back. Calling it twice is fine; never raises."""
        if not self._open.acquire(blocking=False):
            return
        try:
            self._line.close()
        finally:
            self._gone()
            with contextlib.suppress(OperationError):
                self._finish()

    def _keep(self, output: bytes) -> None:
        if self._lines is None:
            return
        now = time.monotonic()
        found = self._lines.take(output, now) if output else []
        if output:
            self._said = now
        elif now - self._said > SHOWN_AGAIN:
            self._said = now
            found = self._lines.finish(now)
        self._append(found)

    def _append(self, lines: list[str]) -> None:
        node = self._turn.node
        mac = node.macs[0] if node.macs else None
        events = [Event(Kind.CONSOLE, mac, node.name, self._turn.clean(line)) for line in lines]
        if events:
            self._turn.store.append_events(events)
            self._turn.arrived()

    def _finish(self) -> None:
        kept = "nothing of it is kept"
        if self._lines is not None:
            self._append(self._lines.finish(time.monotonic()))
            kept = f"lines of it kept: {self._lines.kept}"
            if self._lines.dropped:
                kept += f", too many: {self._lines.dropped}"
        self._turn.tell(f"console closed: {kept}", "done")


class Consoles:
    """The consoles that are open.

    Args:
        store: nodes, BMCs and timelines.
        safe: opens kept passwords.
        opener: opens a driver.
        arrived: called when events were kept.
        leaving: set when the program ends.
    """

    def __init__(
        self,
        store: Store,
        safe: Callable[[], Safe],
        opener: Opener,
        arrived: Callable[[], None],
        leaving: threading.Event,
    ) -> None:
        self._store = store
        self._safe = safe
        self._opener = opener
        self._arrived = arrived
        self._leaving = leaving
        self._lock = threading.Lock()
        self._taken: dict[str, Turn] = {}
        self._sessions: dict[tuple[str, str], ConsoleSession] = {}

    def open(
        self, name: str, asker: str, source: str, *, keep: bool, force: bool = False
    ) -> ConsoleSession:
        """Open a machine's serial line; it is told in the timeline, and when it is closed too.

        Args:
            name: the node's.
            asker: who wants it.
            source: where the name stands, for errors.
            keep: whether what the machine says is kept in the timeline.
            force: whether it is taken from whoever has it, here or by another program.

        Raises:
            ConfigError: there is no such node, or its BMC has no serial line.
            OperationError: somebody has it already.
            BmcError: the BMC does not give it.
        """
        node, bmc = self._store.get(name, source), self._store.bmc(name, source)
        if bmc is None:
            raise no_bmc(name, source)
        turn = Turn(node, "console", asker, self._store, self._arrived, self._leaving)
        key = str(bmc.address) if bmc.address.takes_login else name
        if force:
            self._end_at(key, asker)
        self._take(key, turn)
        try:
            line = self._line(turn, bmc, source, force=force)
        except BaseException as error:
            self._give_back(key)
            if isinstance(error, BmcError):
                turn.tell(f"console failed: {error}", "failed")
                raise turn.cleaned(error) from None
            raise
        session = ConsoleSession(turn, line, keep=keep, gone=lambda: self._forget(key, session))
        with self._lock:
            self._sessions[name, session.id] = session
        try:
            turn.tell(f"{asker} asked: console{', by force' if force else ''}", "asked")
        except OperationError:
            session.close()
            raise
        return session

    def session(self, name: str, number: str, source: str) -> ConsoleSession:
        """An open console.

        Raises:
            Unknown: it is not open.
        """
        with self._lock:
            if found := self._sessions.get((name, number)):
                return found
        raise Unknown(source, "console", f"no such console of node {name} is open")

    def _end_at(self, key: str, asker: str) -> None:
        """End the console that is open on this BMC, for ``asker``."""
        with self._lock:
            turn = self._taken.get(key)
            found = [one for one in self._sessions.values() if one.is_of(turn)]
        for session in found:
            session.taken(asker)

    def _take(self, key: str, turn: Turn) -> None:
        with self._lock:
            if other := self._taken.get(key):
                problem = f"{other.asker} has it; --force takes it"
                raise OperationError(f"its console is open already: {problem}")
            if len(self._taken) >= MOST_CONSOLES:
                raise OperationError(f"{MOST_CONSOLES} consoles are open, and no more can be")
            self._taken[key] = turn

    def _give_back(self, key: str) -> None:
        with self._lock:
            del self._taken[key]

    def _forget(self, key: str, session: ConsoleSession) -> None:
        with self._lock:
            del self._taken[key]
            del self._sessions[session.node, session.id]

    def _line(self, turn: Turn, bmc: Bmc, source: str, *, force: bool) -> SerialLine:
        login = login_of(turn.node.name, bmc, self._safe)
        turn.secret = login.password if login else None
        driver = self._opener(turn.node, bmc, login, lambda _sentence: None)
        try:
            line = driver.console(force=force) if isinstance(driver, HasConsole) else None
        finally:
            driver.close()
        if line is None:
            problem = f"node {turn.node.name} has no serial console by {driver.name}; IPMI has one"
            raise ConfigError(source, "bmc", problem)
        return line
