"""What may be asked for: the routes, and what has to stand behind them.

====================================  ==========================================================
``/healthz``                          200 ``ok``, or 503 and why not: no nodes known yet
``/ipxe/<mac>``                       this machine's iPXE script; ``?profile=`` and others go along
``/autoexec.ipxe``                    what iPXE's EFI builds run before anything else
``/grub/grub.cfg``                    what GRUB reads first; it asks for its own:
``/grub/<mac>``                       this machine's configuration of GRUB
``/media/<mac>/<file>``               this machine's virtual CD or USB stick: ``netboot.iso``
``/media/<mac>/``                     its virtual CD in a list, for BMCs that want a folder
``/images/<image>/``                  likewise an image's files whose names end in ``.iso``
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

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from twisted.web.http import parse_qs

from netboot.answer.springboard import Patched
from netboot.boot.http_reply import BINARY, Reply, listing, text
from netboot.model import ImageFile, Mac, parse_mac

_SEARCHED = "grub.cfg"
"""How the names begin under which GRUB looks for a configuration by its address."""
_NO_STORE = (("Cache-Control", "no-store"),)
_LAST = "installed"
_REPORTS = frozenset({"progress", _LAST})


class SentFile(NamedTuple):
    """One reply to a request for a catalogued file.

    Attributes:
        peer: the machine's address.
        name: catalogue name.
        size: of the whole file, in bytes.
        sent: bytes of the file that went out in this reply; 0 for HEAD, 304 and errors.
        status: 200, 206, 304, 412 or 416; 404 for a file that should be there, 500 for one that is
            not what was verified.
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

    def first_config(self, local: str) -> str:
        """What GRUB reads first."""

    def config(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        """GRUB's configuration of ``mac``, or one that shows why it has none; as ``script``."""

    def media(self, mac: Mac, name: str, local: str) -> Patched:
        """The virtual medium ``name`` that starts the machine ``mac`` over the network.

        Args:
            mac: whose; who asks is its BMC.
            name: such as ``netboot.iso``.
            local: our address it was asked at.

        Raises:
            NotServed: no such medium, or no such machine.
        """

    def discs_of(self, mac: Mac) -> Sequence[str]:
        """The CDs that start the machine ``mac``, for a BMC that is told a folder.

        Raises:
            NotServed: none.
        """

    def discs_in(self, image: str) -> Sequence[str]:
        """The CDs (``.iso``) of an image, likewise.

        Raises:
            NotServed: none.
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
        """A reply to a request for a catalogued file, or a virtual medium, is over."""


class Asked(NamedTuple):
    """A request as the routes see it."""

    path: str
    query: Mapping[str, str]
    peer: str
    local: str


class BadTarget(ValueError):  # noqa: N818 -- named for what it is about
    """The request's target cannot be read; the text is a line for the peer."""


def route(plane: Plane, asked: Asked) -> Reply | ImageFile | Patched:
    """What is at ``asked.path``.

    Raises:
        NotServed: nothing, for this machine.
        BadTarget: a hardware address was expected.
    """
    parts = asked.path.split("/")[1:]
    if (script := _script_at(plane, asked, parts)) is not None:
        return Reply(HTTPStatus.OK, script.encode(), fields=_NO_STORE)
    match parts:
        case ["healthz"]:
            problem = plane.health()
            return (
                text(HTTPStatus.OK, "ok")
                if problem is None
                else text(HTTPStatus.SERVICE_UNAVAILABLE, problem)
            )
        case ["media" | "images" as kind, whose, ""]:
            of_node = kind == "media"
            names = plane.discs_of(_mac(whose)) if of_node else plane.discs_in(whose)
            return listing(asked.path, names)
        case ["media", mac, name]:
            return plane.media(_mac(mac), name, asked.local)
        case ["node", token, name]:
            return _of_boot(plane, asked, token, name)
        case _:
            return plane.file(asked.path.removeprefix("/"))


def _of_boot(plane: Plane, asked: Asked, token: str, name: str) -> Reply:
    """What the boot that was given ``token`` asks or tells."""
    if name in _REPORTS:
        plane.report(token, asked.query, asked.peer, last=name == _LAST)
        return text(HTTPStatus.OK, "ok")
    body = plane.node_file(token, name, asked.peer, asked.local)
    return Reply(HTTPStatus.OK, body, BINARY, _NO_STORE)


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


def _script_at(plane: Plane, asked: Asked, parts: list[str]) -> str | None:
    """What iPXE or GRUB reads, None where ``parts`` is none of that."""
    match parts:
        case ["autoexec.ipxe"]:
            return plane.autoexec(asked.peer, asked.local)
        case ["ipxe", mac]:
            return plane.script(_mac(mac), asked.peer, asked.local, asked.query)
        case ["grub", "grub.cfg"]:
            return plane.first_config(asked.local)
        case ["grub", mac] if not mac.startswith(_SEARCHED):
            return plane.config(_mac(mac), asked.peer, asked.local, asked.query)
        case _:
            return None
