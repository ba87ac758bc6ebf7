"""What may be asked for: the routes, and what has to stand behind them.

====================================  ==========================================================
``/healthz``                          200 ``ok``, or 503 and why not: no nodes known yet
``/ipxe/<mac>``                       this machine's iPXE script; ``?profile=`` and others go along
``/autoexec.ipxe``                    what iPXE's EFI builds run before anything else
``/node/<token>/<file>``              one machine's own files, such as its preseed
``/node/<token>/progress``            its installer says how far it is
``/node/<token>/installed``           its installer calls home at its end
everything else                       a name in the catalogue: ``/images/<image>/<file>``, a loader
====================================  ==========================================================

The path is percent-decoded exactly once, must then be UTF-8, and loses its first slash; what is
left is a catalogue name and goes there as it is, second slashes, dots and all (shim asks for
``/sb//grubx64.efi``). Nothing here ever joins a path.
"""

# mypy: allow-untyped-calls
# Twisted's parse_qs has no annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from twisted.web.http import parse_qs

from netboot.boot.http_reply import BINARY, Reply, text
from netboot.model import ImageFile, Mac, parse_mac

_NO_STORE = (("Cache-Control", "no-store"),)


class SentFile(NamedTuple):
    """One reply to a request for a catalogued file.

    Attributes:
        peer: the machine's address.
        name: catalogue name.
        size: of the whole file, in bytes.
        sent: bytes of the file that went out in this reply; 0 for HEAD, 304 and errors.
        status: 200, 206, 304 or 416; 404 for a file that should be there, 500 for one that is not
            what was verified.
        complete: the reply went out as a whole. A machine that switches off while the last bytes
            are in the kernel's hands is not noticed.
        seconds: from the request until then.
    """

    peer: str
    name: str
    size: int
    sent: int
    status: int
    complete: bool
    seconds: float
    user_agent: str


class Plane(Protocol):
    """What stands behind the routes. Nothing here waits."""

    def health(self) -> str | None:
        """Why the boot plane cannot serve, in one line; None where it can."""

    def file(self, name: str) -> ImageFile:
        """The catalogued file ``name``.

        Raises:
            NotServed: there is none.
        """

    def script(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        """The iPXE script of ``mac``, or one that shows why it has none.

        Args:
            mac: whose.
            peer: the address that asks.
            local: our address it was asked at.
            query: the request's query; a name given twice has its last value.

        Raises:
            NotServed: the machine is ignored.
        """

    def autoexec(self, peer: str, local: str) -> str:
        """What iPXE at ``peer`` runs first.

        Raises:
            NotServed: the machine is ignored.
        """

    def node_file(self, token: str, name: str, peer: str, local: str) -> bytes:
        """The file ``name`` of the machine that was given ``token``.

        Raises:
            NotServed: no such token, or no such file.
        """

    def report(self, token: str, query: Mapping[str, str], peer: str, *, last: bool) -> None:
        """The installer that was given ``token`` says how far it is; ``last``: it is at its end.

        Raises:
            NotServed: no such token.
        """

    def sent(self, sent: SentFile) -> None:
        """A reply to a request for a catalogued file is over."""


class Asked(NamedTuple):
    """A request as the routes see it."""

    path: str
    query: Mapping[str, str]
    peer: str
    local: str


class BadTarget(ValueError):  # noqa: N818 -- named for what it is about
    """The request's target cannot be read; the text is a line for the peer."""


def route(plane: Plane, asked: Asked) -> Reply | ImageFile:
    """What is at ``asked.path``.

    Raises:
        NotServed: nothing, for this machine.
        BadTarget: a hardware address was expected.
    """
    match asked.path.split("/")[1:]:
        case ["healthz"]:
            problem = plane.health()
            return (
                text(HTTPStatus.OK, "ok")
                if problem is None
                else text(HTTPStatus.SERVICE_UNAVAILABLE, problem)
            )
        case ["autoexec.ipxe"]:
            return _script(plane.autoexec(asked.peer, asked.local))
        case ["ipxe", mac]:
            return _script(plane.script(_mac(mac), asked.peer, asked.local, asked.query))
        case ["node", token, ("progress" | "installed") as said]:
            plane.report(token, asked.query, asked.peer, last=said == "installed")
            return text(HTTPStatus.OK, "ok")
        case ["node", token, name]:
            body = plane.node_file(token, name, asked.peer, asked.local)
            return Reply(HTTPStatus.OK, body, BINARY, _NO_STORE)
        case _:
            return plane.file(asked.path.removeprefix("/"))


def read_target(target: bytes) -> tuple[str, dict[str, str]]:
    """Decode a request target's path, once, and its query.

    Raises:
        BadTarget: it is not UTF-8, or not a path (RFC 9112 section 3.2.1; a proxy's absolute
            form, 3.2.2, has its authority dropped).
    """
    path, _, query = target.partition(b"?")
    if path[:7].lower() == b"http://":
        path = b"/" + path[7:].partition(b"/")[2]
    if not path.startswith(b"/"):
        raise BadTarget("the request's target is not a path")
    try:
        said = parse_qs(query, keep_blank_values=True) if query else {}
        named = {name.decode(): values[-1].decode() for name, values in said.items()}
        return unquote_to_bytes(path).decode(), named
    except UnicodeDecodeError:
        raise BadTarget("the request's target is not UTF-8") from None


def _mac(given: str) -> Mac:
    try:
        return parse_mac(given)
    except ValueError as problem:
        raise BadTarget(str(problem)) from None


def _script(script: str) -> Reply:
    return Reply(HTTPStatus.OK, script.encode(), fields=_NO_STORE)
