"""What the store keeps, through the control program that has it open: see ``control.inventory``."""

import contextlib
import functools
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from netboot.control.access.inventory import Access, RemoteAccess
from netboot.control.asking import pages, quoted
from netboot.control.bmc_inventory import Bmcs, RemoteBmcs
from netboot.control.console_remote import open_console
from netboot.control.job_inventory import Jobs, RemoteJobs
from netboot.control.page_shapes import EventPage, GroupPage, NodePage
from netboot.control.problems import error_of
from netboot.control.volume_inventory import RemoteVolumes, Volumes
from netboot.errors import OperationError
from netboot.model import Group, Node
from netboot.store.shapes import Imported, Record

T = TypeVar("T")

ANSWER_TIMEOUT = 60.0
"""Seconds the control program gets to answer; it holds a question for half of them at most."""


@contextlib.contextmanager
def client_at(path: Path) -> Iterator[httpx.Client]:
    """Asks whoever listens on the UNIX socket ``path``."""
    with httpx.Client(
        transport=httpx.HTTPTransport(
            uds=str(path),
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # unused; httpx's own reads every CA
            limits=httpx.Limits(max_connections=None),  # callers' threads are the bound
        ),
        base_url="http://control",
        trust_env=False,
    ) as client:
        yield client


class Remote:
    """The control program, asked over HTTP on its UNIX socket."""

    serving = True

    def __init__(self, client: httpx.Client, source: str) -> None:
        self._client = client
        self._source = source

    @functools.cached_property
    def bmcs(self) -> Bmcs:
        """As ``Inventory``."""
        return RemoteBmcs(self._ask, partial(open_console, self._client, source=self._source))

    @functools.cached_property
    def access(self) -> Access:
        """As ``Inventory``."""
        return RemoteAccess(self._ask, self._request)

    @functools.cached_property
    def jobs(self) -> Jobs:
        """As ``Inventory``."""
        return RemoteJobs(self._ask)

    @functools.cached_property
    def volumes(self) -> Volumes:
        """As ``Inventory``."""
        return RemoteVolumes(self._ask, self._request)

    def list(self) -> "list[Node]":
        """As ``Inventory``."""
        return [node for page in pages(self._ask, "nodes", NodePage) for node in page.nodes]

    def get(self, name: str) -> Node:
        """As ``Inventory``."""
        return self._ask("GET", f"nodes/{quoted(name)}", Node)

    def add(self, raw: Mapping[str, object]) -> Node:
        """As ``Inventory``."""
        return self._ask("POST", "nodes", Node, raw)

    def update(self, name: str, raw: Mapping[str, object]) -> Node:
        """As ``Inventory``."""
        return self._ask("PATCH", f"nodes/{quoted(name)}", Node, raw)

    def remove(self, name: str) -> None:
        """As ``Inventory``."""
        self._request("DELETE", f"nodes/{quoted(name)}")

    def import_nodes(self, raw: object) -> Imported:
        """As ``Inventory``."""
        return self._ask("POST", "nodes:import", Imported, raw)

    def install(self, names: Sequence[str], *, reinstall: bool) -> Sequence[Node]:
        """As ``Inventory``."""
        raw = {"names": list(names), "reinstall": reinstall}
        return self._ask("POST", "nodes:install", NodePage, raw).nodes

    def groups(self) -> Sequence[Group]:
        """As ``Inventory``."""
        return self._ask("GET", "groups", GroupPage).groups

    def set_group(self, name: str, raw: Mapping[str, object]) -> Group:
        """As ``Inventory``."""
        return self._ask("PATCH", f"groups/{quoted(name)}", Group, raw)

    def remove_group(self, name: str) -> None:
        """As ``Inventory``."""
        self._request("DELETE", f"groups/{quoted(name)}")

    def timeline(
        self, who: str, after: int | None, limit: int, wait: float = 0, *, log: bool = False
    ) -> Sequence[Record]:
        """As ``Inventory``."""
        query: dict[str, float | bool] = {"limit": limit, "wait": wait, "log": log}
        query |= {} if after is None else {"after": after}
        path = f"timeline/{quoted(who)}?{httpx.QueryParams(query)}"
        return self._ask("GET", path, EventPage).events

    def _ask(
        self,
        method: str,
        path: str,
        shape: type[T],
        body: object = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> T:
        raw = self._request(method, path, body, timeout)
        try:
            return msgspec.json.decode(raw, type=shape)
        except ValueError as error:
            raise OperationError(f"the control program's answer is unreadable: {error}") from None

    def _request(
        self, method: str, path: str, body: object = None, timeout: float = ANSWER_TIMEOUT
    ) -> bytes:
        try:
            content = b"" if body is None else msgspec.json.encode(body)
            answer = self._client.request(
                method, f"/api/v1/{path}", content=content, timeout=timeout
            )
        except httpx.HTTPError as error:
            raise OperationError(f"the control program did not answer: {error}") from None
        if answer.is_success:
            return answer.content
        try:
            problem = msgspec.json.decode(answer.content, type=dict[str, Any])
        except ValueError:
            problem = {}
        raise error_of(answer.status_code, problem, self._source)
