"""The boot program's end of the link: snapshots in, events out, and life without control.

Rules:

- The boot program never waits for control. ``start`` hands over the snapshot kept on disk, if
  there is one, before the first connection is tried; control's own replaces it as it comes.
- One batch of events is under way at a time; the next goes when control has committed it.
- A connection that ends is tried again after 50 ms, then twice as long each time up to a second.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from netboot.boot.kept import KeptFile
from netboot.boot.outbox import Outbox
from netboot.events import Event
from netboot.frames import (
    MAX_FROM_CONTROL,
    Ack,
    Batch,
    Counts,
    Feed,
    FrameError,
    Hello,
    Message,
    Unpacker,
    pack,
)
from netboot.snapshot import Snapshot, decode

FIRST_RETRY = 0.05
LONGEST_RETRY = 1.0
CONNECT_TIMEOUT = 1
"""Seconds, all three."""
FLUSH_DELAY = 0.02
"""Seconds events gather before they are sent, so that one commit takes many."""
STOP_GRACE = 0.5
"""Seconds ``stop`` waits for control to confirm what is still here."""

log = logging.getLogger(__name__)


class ControlLink:
    """Keeps the boot program fed and its events flowing.

    Args:
        reactor: Twisted's; every method is called in its thread.
        socket_path: control's ``boot.sock``; it need not exist yet.
        snapshot_path: where the last snapshot is kept.
        on_snapshot: called with each snapshot, for one kept on disk from within ``start``.

    Attributes:
        drops: what control will not hear of, by reason.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 -- Twisted's reactor is many interfaces at once
        socket_path: Path,
        snapshot_path: Path,
        on_snapshot: Callable[[Snapshot], None],
    ) -> None:
        self._reactor = reactor
        self._socket_path = socket_path
        self._kept = KeptFile(reactor, snapshot_path, decode, MAX_FROM_CONTROL)
        self._on_snapshot = on_snapshot
        self._instance = uuid.uuid4().hex
        self._outbox = Outbox()
        self.drops: Counter[str] = Counter()
        self._session: _Session | None = None
        self._next_delay = FIRST_RETRY
        self._retry: DelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether control is there and has answered our greeting."""
        return self._session is not None and self._session.greeted

    def start(self) -> None:
        """Hand over the snapshot on disk, then connect, for as long as it takes."""
        if (snapshot := self._kept.read()) is not None:
            self._on_snapshot(snapshot)
        self._connect()

    def send(self, event: Event) -> None:
        """Keep an event until control has it. Never waits, never raises."""
        if not self._outbox.put(event):
            self.drops["syslog: the control program is away"] += 1
        elif self._session is not None:
            self._session.flush_soon()

    def count(self, counts: Counts) -> None:
        """Tell control what was counted since the start, if it is there."""
        if self._session is not None and self._session.greeted:
            self._session.write(counts)

    def stop(self) -> "Deferred[None]":
        """Send what is still here, for at most ``STOP_GRACE``, and hang up.

        Returns:
            fires when the link is closed, so ``stop`` can be a trigger before shutdown.
        """
        if self._stopped is not None:
            return self._stopped
        self._stopped = Deferred()
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self._session is None:
            self._stopped.callback(None)
        elif self.connected and self._outbox.pending:
            self._retry = self._reactor.callLater(STOP_GRACE, self._session.hang_up)
        else:
            self._session.hang_up()
        return self._stopped

    def opened(self, session: "_Session") -> None:
        """A connection stands: introduce ourselves, unless we were stopped meanwhile."""
        self._session = session
        if self._stopped is None:
            session.greet(Hello(self._instance))
        else:
            session.hang_up()

    def received(self, message: Message) -> None:
        """One message of control's."""
        if isinstance(message, Feed):
            self._take(bytes(message.snapshot))
        elif isinstance(message, Ack):
            self._next_delay = FIRST_RETRY
            self._outbox.confirm(message.seq)
            if self._stopped is not None and self._session and not self._outbox.pending:
                self._session.hang_up()

    def closed(self) -> None:
        """The connection ended, or never came about: try again unless we are leaving."""
        self._session = None
        if self._stopped is None:
            self._retry = self._reactor.callLater(self._next_delay, self._connect)
            self._next_delay = min(2 * self._next_delay, LONGEST_RETRY)
            return
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if not self._stopped.called:
            self._stopped.callback(None)

    def _connect(self) -> None:
        factory = _Sessions(self, self._outbox, self._reactor)
        self._reactor.connectUNIX(str(self._socket_path), factory, timeout=CONNECT_TIMEOUT)

    def _take(self, raw: bytes) -> None:
        try:
            snapshot = decode(raw)
        except ValueError as error:
            log.error("control sent a snapshot we cannot read, so the last one stays: %s", error)  # noqa: TRY400 -- the text says all
            return
        self._on_snapshot(snapshot)
        self._kept.keep(raw)


class _Session(Protocol):
    """One connection: frames ↔ messages, one batch under way at a time."""

    transport: Any

    def __init__(self, link: ControlLink, outbox: Outbox, reactor: Any) -> None:  # noqa: ANN401 -- many interfaces at once
        self._link = link
        self._outbox = outbox
        self._reactor = reactor
        self._unpacker = Unpacker(MAX_FROM_CONTROL)
        self._under_way = False
        self._flush: DelayedCall | None = None
        self.greeted = False

    def connectionMade(self) -> None:  # noqa: N802 -- Twisted's name
        self._link.opened(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 -- Twisted's name
        try:
            for message in self._unpacker.feed(data):
                self._receive(message)
        except FrameError as error:
            log.error("control does not speak our language, so we hang up: %s", error)  # noqa: TRY400 -- the text says all
            self.hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 -- Twisted's contract
        if self._flush is not None and self._flush.active():
            self._flush.cancel()
        self._link.closed()

    def greet(self, hello: Hello) -> None:
        """The first thing said; control answers with the highest number it has of us."""
        self.write(hello)

    def flush_soon(self) -> None:
        """Send what is waiting within ``FLUSH_DELAY``, unless an Ack will do it."""
        waiting = self._flush is not None and self._flush.active()
        if self.greeted and not self._under_way and not waiting:
            self._flush = self._reactor.callLater(FLUSH_DELAY, self._send_batch)

    def hang_up(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def _receive(self, message: Message) -> None:
        self._link.received(message)
        if isinstance(message, Ack):
            self.greeted = True
            self._under_way = False
            self._send_batch()

    def _send_batch(self) -> None:
        if not self._under_way and (events := self._outbox.batch()):
            self._under_way = True
            self.write(Batch(events))

    def write(self, message: Message) -> None:
        """Send one message."""
        self.transport.write(pack(message))


class _Sessions(ClientFactory):
    """Makes the session of one connection; says when none came about."""

    noisy = False

    def __init__(self, link: ControlLink, outbox: Outbox, reactor: Any) -> None:  # noqa: ANN401 -- many interfaces at once
        self._link = link
        self._outbox = outbox
        self._reactor = reactor

    def buildProtocol(self, addr: object) -> Protocol:  # noqa: ARG002, N802 -- Twisted's contract
        return _Session(self._link, self._outbox, self._reactor)

    def clientConnectionFailed(self, connector: object, reason: object) -> None:  # noqa: ARG002, N802 -- Twisted's contract
        self._link.closed()
