"""HTTP connections with bounds: how much of the server one peer gets.

A plain request head that arrives in one piece is read by ``http_head``; whatever else comes,
twisted.web parses. ``twisted.web.http.HTTPChannel`` alone leaves four doors open, which are shut
here:

- its timeout starts anew with every byte, so a head that drips in is never late. Ours counts from
  the head's first byte (``head_seconds``), and apart from it there is one for a connection that
  asks nothing (``idle_seconds``) and one for a reader that has stopped reading (``stall_*``,
  judged by what its TCP acknowledged). One sweep a second looks at every connection; there is no
  timer a request.
- it reads pipelined requests for as long as their answers are made at once, whether the peer
  takes them or not. Here a request waits until the answers before it have left our buffer.
- it spools request bodies to disk. None of our routes takes one: 413 before the first byte.
- it answers as fast as one peer asks. Here a peer over its rate *waits*, and a burst of pipelined
  requests gives way to everyone else after ``requests_per_turn``. Firmware knows no 429: being
  slow boots, being refused does not.

What garbage does is counted in ``drops``, by reason, and never logged: the peer would choose the
rate of our log.
"""

# ruff: noqa: N802 -- Twisted gives its hooks their names
# mypy: allow-untyped-calls
# HTTPChannel has no annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from netboot.boot.http_head import RequestHead, persists, read_plain
from netboot.boot.http_reply import head, text
from netboot.boot.sendfile import BodySender, Part, acknowledged, send_now

if TYPE_CHECKING:
    from netboot.boot.http_connections import Call, Connections

_NEVER = float("inf")


class _Parsed(Request):
    """A request that Twisted's parser has read."""

    channel: "Channel"

    def process(self) -> None:
        """Answer it."""
        lists = self.requestHeaders.getAllRawHeaders()
        fields = {
            name.lower().decode("latin-1"): values[0].decode("latin-1")
            for name, values in lists
            if len(values) == 1
        }
        channel = self.channel
        asked = RequestHead(self.method, self.uri, self.clientproto, fields, channel.persistent)
        channel.factory.answer(channel, asked, self._over)

    def _over(self) -> None:
        self.startedWriting = 1  # by us
        self.finish()


class _Plain:
    """A request that Twisted's parser has not seen: what ``HTTPChannel`` must have of one."""

    def connectionLost(self, reason: Failure) -> None:
        """Twisted tells each request."""


class Channel(HTTPChannel):
    """One connection. ``Connections`` makes it and sets its limits.

    Attributes:
        address: the peer's.
        busy: whether a request is being answered; otherwise one is waited for or read.
        deadline: when ``overdue`` is to be called.
    """

    factory: "Connections"
    transport: Any
    persistent: bool

    def __init__(self, factory: "Connections", peer: IAddress | None) -> None:
        super().__init__()
        self.factory = factory
        self.address: str = getattr(peer, "host", "")
        self._peer = peer
        self._host: IAddress | None = None
        self.busy = False
        self.deadline = factory.now() + factory.limits.head_seconds
        self.requestFactory: Any = _Parsed
        self.timeOut = None  # HTTPChannel's own timeout; the sweep does better
        self.MAX_LENGTH = factory.limits.line_bytes
        self.totalHeadersSize = factory.limits.head_bytes
        self.maxHeaders = factory.limits.head_fields
        self._reading_head = False
        self._discarded: int | None = None
        self._full = False
        self._turn = 0
        self._acknowledged = 0
        self._held_back: Callable[[], None] | None = None
        self._later: Call | None = None

    # ---- what the transport calls

    def dataReceived(self, data: bytes) -> None:
        """Read requests; after a refusal, only swallow what is on its way."""
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > self.factory.limits.refused_bytes:
                self.transport.abortConnection()
            return
        self._turn = 0
        if self._between_requests:
            asked = read_plain(data, self.factory.limits)
            if asked is not None:
                self._answer_plain(asked)
                return
            self._begin_head()
        super().dataReceived(data)
        if self._buffer and not self.busy:  # a pipelined head has begun
            self._begin_head()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget everything that was to be done."""
        self._held_back = None
        if self._later is not None and self._later.active():
            self._later.cancel()
        super().connectionLost(reason)
        self.factory.lost(self)

    def pauseProducing(self) -> None:
        """The transport holds more than it wants to."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The transport has written everything."""
        self._full = False
        super().resumeProducing()
        if self._held_back is not None:
            answer, self._held_back = self._held_back, None
            self.when_clear(answer)

    # ---- what HTTPChannel and Request call

    def lineReceived(self, line: bytes) -> None:
        """Twisted's parser has a line of a head, which may be the first one."""
        self._begin_head()
        super().lineReceived(line)

    def getPeer(self) -> IAddress | None:
        """The peer's address, without asking the kernel at each request."""
        return self._peer

    def getHost(self) -> IAddress:
        """Our address of this connection, likewise."""
        if self._host is None:
            self._host = self.transport.getHost()
        return self._host

    def write(self, data: bytes) -> None:
        """Put ``data`` into the socket, and what it has no room for into the transport."""
        self.transport.write(send_now(self.transport, data))

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002 -- Twisted's signature
        """The request line or a field is longer than ``line_bytes``."""
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed or too long request head")

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed or too long request head")

    def allHeadersReceived(self) -> None:
        """Refuse a body before it is read."""
        if self.length == 0:
            super().allHeadersReceived()
        else:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no request body is taken here")

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Whether the connection is kept (RFC 9112 section 9.3); HTTP/1.0 may ask for it too."""
        sent = request.requestHeaders.getRawHeaders(b"Connection", [])
        return persists(version, b",".join(sent).decode("latin-1"))

    def allContentReceived(self) -> None:
        """Twisted's parser has read a whole request."""
        self._reading_head = False
        self._work()
        super().allContentReceived()

    def requestDone(self, request: Request | _Plain) -> None:
        """A reply is made; the next request, which may be here already, is waited for."""
        self._rest()
        super().requestDone(request)

    # ---- what a request calls

    @property
    def local(self) -> str:
        """Our address of this connection."""
        return str(self.getHost().host)

    def when_clear(self, answer: Callable[[], None]) -> None:
        """Call ``answer`` as soon as this connection may have one: at once, or in its turn."""
        if self._full:
            self._held_back = answer
            self.transport.pauseProducing()
            self._watch_progress()
            return
        self._turn += 1
        wait = self.factory.peers.wait(self.address, self.factory.now())
        if wait > 0 or self._turn > self.factory.limits.requests_per_turn:
            self._later = self.factory.clock.callLater(wait, self._next_turn, answer)
        else:
            answer()

    def send_body(
        self,
        fd: int,
        first: bytes,
        parts: Iterable[Part],
        done: Callable[[int, str | None], None],
    ) -> None:
        """Send ``first`` and then ``parts`` of the file ``fd``; the rest as ``BodySender``."""

        def ended(sent: int, problem: str | None) -> None:
            if problem is None and self.transport.producer is None:
                self.transport.registerProducer(self, streaming=True)
                self.resumeProducing()
            done(sent, problem)

        sender = BodySender(self.transport, fd, first, parts, ended)
        if not sender.send_now():
            self.transport.unregisterProducer()
            sender.start()
        if not sender.ended:
            self._watch_progress()

    # ---- what the factory calls

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.busy:
            before = self._acknowledged
            self._watch_progress()
            if self._acknowledged - before >= self.factory.limits.stall_bytes:
                return
            self.factory.drops["http: reader stalled"] += 1
            self.transport.abortConnection()
        elif self.transport.disconnecting or self._discarded is not None:
            self.transport.abortConnection()
        else:
            if self._reading_head:
                self.factory.drops["http: request head took too long"] += 1
            self.close()

    def close(self) -> None:
        """Close once the reply under way, if any, is out."""
        self.persistent = False
        if not self.busy:
            self._due_in(self.factory.limits.close_seconds)
            self.loseConnection()

    @property
    def _between_requests(self) -> bool:
        """Whether what comes next is the first byte of a head."""
        return bool(self.persistent) and not (self.busy or self._reading_head)

    def _begin_head(self) -> None:
        if not self._reading_head and self._discarded is None:
            self._reading_head = True
            self._due_in(self.factory.limits.head_seconds)

    def _answer_plain(self, asked: RequestHead) -> None:
        """Answer it; where that takes a while, as ``HTTPChannel`` does one it has parsed itself."""
        request = _Plain()
        self.persistent = asked.persistent
        self._work()
        self.factory.answer(self, asked, partial(self._plain_over, request))
        if self.busy:
            self.requests.append(request)
            self._handlingRequest = True
            self.setRawMode()  # what comes meanwhile is kept, within Twisted's bound

    def _plain_over(self, request: _Plain) -> None:
        if self.requests:
            self.requestDone(request)
            return
        self._rest()  # at once: Twisted never knew
        if not self.persistent:
            self.loseConnection()

    def _work(self) -> None:
        self.busy = True
        self.deadline = _NEVER
        self.factory.works(self)

    def _rest(self) -> None:
        self.busy = False
        limits = self.factory.limits
        self._due_in(limits.idle_seconds if self.persistent else limits.close_seconds)
        self.factory.rests(self)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Say why and close, but not so hard that the peer cannot read it (RFC 9112, 9.6)."""
        if self._discarded is not None:
            return
        self._discarded = 0
        self.factory.drops[f"http: {reason}"] += 1
        self.clearLineBuffer()
        reply = text(status, reason)
        self.transport.write(head(reply, "HTTP/1.1", "close") + reply.body)
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()
        self._due_in(self.factory.limits.close_seconds)

    def _next_turn(self, answer: Callable[[], None]) -> None:
        self._turn = 0
        answer()

    def _due_in(self, seconds: float) -> None:
        self.deadline = self.factory.now() + seconds

    def _watch_progress(self) -> None:
        self._acknowledged = acknowledged(self.transport.getHandle())
        self._due_in(self.factory.limits.stall_seconds)
