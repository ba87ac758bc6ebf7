"""The boot plane's HTTP: one server, GET and HEAD only.

``http_channel`` bounds the connections that twisted.web parses, ``http_routes`` says what is at a
path, ``http_file`` and ``ranges`` turn a catalogued file into a reply, ``sendfile`` sends it. This
module leads each request through them and tells the plane what became of each file.
"""

# mypy: allow-untyped-calls
# twisted.web's Request has no annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.web.http import Request

from netboot.boot.http_channel import Channel
from netboot.boot.http_connections import Connections
from netboot.boot.http_file import file_reply
from netboot.boot.http_limits import HttpLimits
from netboot.boot.http_reply import FileReply, Reply, head, text
from netboot.boot.http_routes import Asked, BadTarget, Plane, SentFile, read_target, route
from netboot.errors import AlreadyGiven, NotServed
from netboot.model import ImageFile

__all__ = ["BootHttp", "HttpLimits", "Plane", "SentFile"]

MAX_AGENT = 120
"""Characters of a User-Agent that are kept."""

MAX_COMPLAINTS = 256
"""Broken files of ours that are named in the log, each of them once."""

_OURS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "the file is away",
    HTTPStatus.INTERNAL_SERVER_ERROR: "the file is not the one that was verified",
}
_METHODS = frozenset({b"GET", b"HEAD"})
_GIVEN_ONCE = b"/node/"
"""Below this, asking is having: a HEAD would use up what the machine needs."""
_log = Logger()


class BootRequest(Request):
    """One request. Its life: ``process`` → (its turn) → ``_answer`` → ``_send`` → ``finish``."""

    channel: Channel

    def __init__(self, server: "BootHttp", channel: Channel, queued: int) -> None:
        super().__init__(channel, queued)
        self._server = server
        self._peer = channel.address
        self._now = channel.factory.now
        self._started = self._now()

    def process(self) -> None:
        """Answer, when it is this connection's turn."""
        self.channel.when_clear(self._answer)

    def _answer(self) -> None:
        if self.method not in _METHODS:
            allow = (("Allow", "GET, HEAD"),)
            self._send(text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", allow))
            return
        if self.method == b"HEAD" and self.path.startswith(_GIVEN_ONCE):
            self._send(text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET", (("Allow", "GET"),)))
            return
        name, found = self._find()
        if isinstance(found, Reply):
            self._send(found)
        else:
            self._answer_file(name, found)

    def _find(self) -> tuple[str, Reply | ImageFile]:
        """What is asked for, and its catalogue name where it is a file."""
        try:
            path, query = read_target(self.path, self.args)
            asked = Asked(path, query, self.channel.address, self.channel.getHost().host)
            return path.removeprefix("/"), route(self._server.plane, asked)
        except BadTarget as problem:
            return "", text(HTTPStatus.BAD_REQUEST, str(problem))
        except AlreadyGiven:
            return "", text(HTTPStatus.GONE, "given before")
        except NotServed:
            return "", text(HTTPStatus.NOT_FOUND, "not served here")
        except Exception:  # noqa: BLE001 -- whatever our fault is, no machine is left without answer
            below = self.path.split(b"/")[1:2]  # further on there may be a token
            _log.failure("no answer to a request below {below}", below=below)
            return "", text(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")

    def _answer_file(self, name: str, wanted: ImageFile) -> None:
        reply = file_reply(wanted, self._field, is_get=self.method == b"GET")
        over = partial(self._over, name, wanted.size, reply.status)
        if isinstance(reply, FileReply) and reply.fd is not None:
            self._send_file(reply, over)
            return
        if reply.status in _OURS:
            self._server.complain(wanted, reply.status)
        self._send(reply)
        over(0, None)

    def _send_file(self, reply: FileReply, over: Callable[[int, str | None], None]) -> None:
        def done(sent: int, problem: str | None) -> None:
            over(sent, problem)
            if problem is None:
                self.finish()

        self.startedWriting = 1
        self.channel.send_body(cast("int", reply.fd), self._head(reply), reply.parts, done)

    def _send(self, reply: Reply | FileReply) -> None:
        body = reply.body if isinstance(reply, Reply) and self.method != b"HEAD" else b""
        self._write(self._head(reply) + body)

    def _write(self, whole: bytes) -> None:
        self.startedWriting = 1
        self.channel.write(whole)
        self.finish()

    def _head(self, reply: Reply | FileReply) -> bytes:
        version, connection = self.clientproto.decode("ascii"), None
        if not self.channel.persistent:
            connection = "close"
        elif version == "HTTP/1.0":
            connection = "keep-alive"
        return head(reply, version, connection)

    def _field(self, name: str) -> str | None:
        """A request field's value; None where it was not sent exactly once."""
        values = self.requestHeaders.getRawHeaders(name.encode("ascii"), ())
        return values[0].decode("latin-1") if len(values) == 1 else None

    def _over(self, name: str, size: int, status: int, sent: int, problem: str | None) -> None:
        agent = (self._field("User-Agent") or "")[:MAX_AGENT]
        if not (agent.isascii() and agent.isprintable()):
            agent = "".join(c if c.isascii() and c.isprintable() else "?" for c in agent)
        self._server.plane.sent(
            SentFile(
                peer=self._peer,
                name=name,
                size=size,
                sent=sent,
                status=int(status),
                complete=problem is None and status < HTTPStatus.BAD_REQUEST,
                seconds=self._now() - self._started,
                user_agent=agent,
            )
        )


class BootHttp:
    """The server.

    Args:
        reactor: Twisted's; it must listen on TCP and tell the time.
        plane: what stands behind the routes.
        address: the address to listen at.
        port: the port; 0 lets the kernel choose.
        limits: every bound.

    Attributes:
        port: the port, from ``start`` on the real one.
        drops: garbage and excess by reason.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 -- IReactorTCP and IReactorTime at once; interfaces do not add
        plane: Plane,
        *,
        address: str = "0.0.0.0",  # noqa: S104 -- the machines' network is all there is behind it
        port: int = 8080,
        limits: HttpLimits = HttpLimits(),  # noqa: B008 -- frozen
    ) -> None:
        self.reactor = reactor
        self.plane = plane
        self.port = port
        self._address = address
        self._limits = limits
        self._connections = Connections(reactor, limits, partial(BootRequest, self))
        self.drops: Counter[str] = self._connections.drops
        self._listening: Any = None
        self._complained: set[str] = set()

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is held or the address is not ours.
        """
        try:
            self._listening = self.reactor.listenTCP(
                self.port, self._connections, self._limits.backlog, self._address
            )
        except CannotListenError as problem:
            raise problem.socketError from None
        self.port = self._listening.getHost().port
        self._connections.start()

    def stop(self) -> Deferred[None]:
        """Listen no more and close every connection; fires when all are closed."""
        listening, self._listening = self._listening, None
        if listening is None:
            return succeed(None)
        stopped: Deferred[None] = maybeDeferred(listening.stopListening)
        return stopped.addCallback(lambda _: self._connections.stop())

    def complain(self, wanted: ImageFile, status: int) -> None:
        """Log, once, that a file of ours is not there or not what was verified."""
        path = str(wanted.path)
        if path not in self._complained and len(self._complained) < MAX_COMPLAINTS:
            self._complained.add(path)
            _log.error(
                "{path}: answered {status}, {reason}",
                path=path,
                status=status,
                reason=_OURS[status],
            )
