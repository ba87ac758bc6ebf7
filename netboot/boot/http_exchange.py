"""One request and its reply, whichever way its head was read."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from twisted.logger import Logger

from netboot.boot.http_file import Wanted, file_reply, on_disk
from netboot.boot.http_head import RequestHead
from netboot.boot.http_reply import FileReply, Reply, head, text
from netboot.boot.http_routes import Asked, BadTarget, Plane, SentFile, read_target, route
from netboot.errors import AlreadyGiven, NotServed
from netboot.model import ImageFile

if TYPE_CHECKING:
    from netboot.boot.http_channel import Channel

MAX_COMPLAINTS = 256
"""Broken files of ours that are named in the log, each of them once."""

_OURS = {
    HTTPStatus.NOT_FOUND: "the file is away",
    HTTPStatus.INTERNAL_SERVER_ERROR: "the file is not the one that was verified",
}
_METHODS = frozenset({b"GET", b"HEAD"})
_GIVEN_ONCE = b"/node/"
"""Below this, asking is having: a HEAD would use up what the machine needs."""
_log = Logger()


class Complaints:
    """Files of ours that are not there or not what was verified, each of them logged once."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def make(self, wanted: ImageFile, status: int) -> None:
        """``wanted`` was answered ``status``."""
        path = str(wanted.path)
        if path in self._made or len(self._made) >= MAX_COMPLAINTS:
            return
        self._made.add(path)
        reason = _OURS[HTTPStatus(status)]
        _log.error(
            "{path}: answered {status}, {reason}", path=path, status=int(status), reason=reason
        )


class Exchange:
    """One request and its reply. Its life: ``answer`` → ``_send`` or ``_send_file`` → ``over``.

    Args:
        plane: what stands behind the routes.
        complaints: where broken files of ours are told.
        channel: the connection it is on.
        asked: the request.
        over: called when the reply is made as a whole; not where the connection was lost before.
    """

    __slots__ = ("_asked", "_channel", "_complaints", "_over", "_plane", "_started")

    def __init__(
        self,
        plane: Plane,
        complaints: Complaints,
        channel: "Channel",
        asked: RequestHead,
        over: Callable[[], None],
    ) -> None:
        self._plane = plane
        self._complaints = complaints
        self._channel = channel
        self._asked = asked
        self._over = over
        self._started = channel.factory.now()

    def answer(self) -> None:
        """Find what is asked for and send it."""
        method, target = self._asked.method, self._asked.target
        if method not in _METHODS:
            allow = (("Allow", "GET, HEAD"),)
            self._send(text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", allow))
        elif method == b"HEAD" and target.startswith(_GIVEN_ONCE):
            self._send(text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET", (("Allow", "GET"),)))
        else:
            name, found = self._find(target)
            if isinstance(found, Reply):
                self._send(found)
            else:
                self._answer_file(name, found)

    def _find(self, target: bytes) -> tuple[str, Reply | Wanted]:
        """What is asked for, and its catalogue name where it is a file."""
        try:
            path, query = read_target(target)
            asked = Asked(path, query, self._channel.address, self._channel.local)
            return path.removeprefix("/"), route(self._plane, asked)
        except BadTarget as problem:
            return "", text(HTTPStatus.BAD_REQUEST, str(problem))
        except AlreadyGiven:
            return "", text(HTTPStatus.GONE, "given before")
        except NotServed:
            return "", text(HTTPStatus.NOT_FOUND, "not served here")
        except Exception:  # noqa: BLE001 -- whatever our fault is, no machine is left without answer
            below = target.partition(b"?")[0].split(b"/")[1:2]  # further on there may be a token
            _log.failure("no answer to a request below {below}", below=below)
            return "", text(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")

    def _answer_file(self, name: str, wanted: Wanted) -> None:
        reply = file_reply(wanted, self._asked.fields, is_get=self._asked.method == b"GET")
        sent = partial(self._sent, name, on_disk(wanted).size, reply.status)
        if isinstance(reply, FileReply) and reply.fd is not None:
            self._send_file(reply, sent)
            return
        if reply.status in _OURS:
            self._complaints.make(on_disk(wanted), reply.status)
        self._send(reply)
        sent(0, None)

    def _send_file(self, reply: FileReply, sent: Callable[[int, str | None], None]) -> None:
        def done(count: int, problem: str | None) -> None:
            sent(count, problem)
            if problem is None:
                self._over()

        self._channel.send_body(cast("int", reply.fd), self._head(reply), reply.parts, done)

    def _send(self, reply: Reply | FileReply) -> None:
        body = reply.body if isinstance(reply, Reply) and self._asked.method != b"HEAD" else b""
        self._channel.write(self._head(reply) + body)
        self._over()

    def _head(self, reply: Reply | FileReply) -> bytes:
        version, connection = self._asked.version.decode("ascii"), None
        if not self._channel.persistent:
            connection = "close"
        elif version == "HTTP/1.0":
            connection = "keep-alive"
        return head(reply, version, connection)

    def _sent(self, name: str, size: int, status: int, sent: int, problem: str | None) -> None:
        self._plane.sent(
            SentFile(
                peer=self._channel.address,
                name=name,
                size=size,
                sent=sent,
                status=int(status),
                complete=problem is None and status < HTTPStatus.BAD_REQUEST,
                seconds=self._channel.factory.now() - self._started,
            )
        )
