"""A console that the control program holds for us."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import msgspec

from netboot.control.asking import quoted
from netboot.control.problems import error_of
from netboot.errors import NetbootError, OperationError

MOST_TYPED = 4096
"""Bytes typed by one request."""
OPEN_TIMEOUT = 90.0
"""Seconds until the BMC must have given its line, a slow log-in included."""


class Console(Protocol):
    """An open console; one thread reads while another types."""

    def read(self) -> bytes:
        """What the machine has said; b"" from time to time where it is quiet.

        Raises:
            NetbootError: it has ended; the text says why.
        """

    def write(self, characters: bytes) -> None:
        """Type.

        Raises:
            NetbootError: it has ended, or the BMC takes no more.
        """


class RemoteConsole:
    """The console behind one streamed answer.

    Args:
        client: asks the control program.
        path: of the console.
        answer: its beginning is here, and a success.
        source: where the node's name stands, for errors.
    """

    def __init__(
        self, client: httpx.Client, path: str, answer: httpx.Response, source: str
    ) -> None:
        self._client = client
        self._lines = answer.iter_lines()
        self._source = source
        self._path = path
        self._path = f"{path}/{self._next().id}"

    def read(self) -> bytes:
        """As ``Console``."""
        said = self._next()
        if said.problem is not None:
            raise error_of(int(said.problem.get("status", 500)), said.problem, self._source)
        return said.output

    def write(self, characters: bytes) -> None:
        """As ``Console``."""
        for at in range(0, len(characters), MOST_TYPED):
            self._send("POST", characters[at : at + MOST_TYPED])

    def close(self) -> None:
        """End it; never raises."""
        with contextlib.suppress(NetbootError):  # it has ended already
            self._send("DELETE", b"")

    def _next(self) -> "_Said":
        try:
            return msgspec.json.decode(next(self._lines), type=_Said)
        except StopIteration:
            raise OperationError("the control program ended, and the console with it") from None
        except httpx.HTTPError as error:
            raise OperationError(f"the control program does not answer: {error}") from None
        except ValueError as error:
            raise OperationError(f"the control program's answer is unreadable: {error}") from None

    def _send(self, method: str, characters: bytes) -> None:
        try:
            answer = self._client.request(
                method, self._path, content=characters, timeout=OPEN_TIMEOUT
            )
        except httpx.HTTPError as error:
            raise OperationError(f"the control program does not answer: {error}") from None
        if not answer.is_success:
            raise problem_in(answer, self._source)


class _Said(msgspec.Struct):
    """As ``ConsoleSaid``, without what makes the server."""

    id: str = ""
    output: bytes = b""
    problem: dict[str, Any] | None = None


@contextlib.contextmanager
def open_console(
    client: httpx.Client, name: str, source: str, *, keep: bool, force: bool = False
) -> Iterator[RemoteConsole]:
    """Open a node's console, and end it afterwards.

    Raises:
        NetbootError: as ``Consoles.open``.
    """
    path = f"/api/v1/nodes/{quoted(name)}/console"
    query = {"keep": str(keep).lower(), "force": str(force).lower()}
    try:
        with client.stream("GET", path, params=query, timeout=OPEN_TIMEOUT) as answer:
            if not answer.is_success:
                answer.read()
                raise problem_in(answer, source)
            console = RemoteConsole(client, path, answer, source)
            try:
                yield console
            finally:
                console.close()
    except httpx.HTTPError as error:
        raise OperationError(f"the control program does not answer: {error}") from None


def problem_in(answer: httpx.Response, source: str) -> NetbootError:
    """The error that an answer is."""
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
    except ValueError:
        problem = {}
    return error_of(answer.status_code, problem, source)
