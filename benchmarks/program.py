"""The boot program itself: how soon it is ready and knows of a change, and what memory it takes."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks import ours
from benchmarks.work import Figure, Server, Sides, Size, Work
from netboot.errors import OperationError

KB, MB = 1e3, 1e6
CHANGES = 20
PATIENCE = 30.0
"""Seconds until a change must show."""


def _empty(_size: Size) -> AbstractContextManager[Sides]:
    return _sides(0)


def _full(size: Size) -> AbstractContextManager[Sides]:
    return _sides(size.of(ours.NODES))


@contextmanager
def _sides(nodes: int) -> Iterator[Sides]:
    with ours.prepared(nodes) as server:
        yield Sides(server)


def _start(server: Server, _size: Size) -> Figure:
    """Seconds from the start of its process, as it says itself."""
    program = ours.start(server)
    program.end()
    return Figure(float(program.wait_for(ours.READY, 0)[1]))


def _idle(server: Server, _size: Size) -> Figure:
    return Figure(_resident(server) / MB)


def _per_node(server: Server, size: Size) -> Figure:
    nodes = size.of(ours.NODES)
    with ours.prepared() as empty:
        more = _resident(server, nodes) - _resident(empty)
    return Figure(more / nodes / KB)


@contextmanager
def _changing(size: Size) -> Iterator[Sides]:
    nodes = size.of(ours.NODES)
    with ours.serving(nodes) as server:
        yield Sides(server)


def _change(server: Server, size: Size) -> Figure:
    """The longest of the times from the end of a `node set` to the first script that shows it."""
    return Figure(max(_shows(server, number) for number in range(size.of(CHANGES, 5))))


def _shows(server: Server, number: int) -> float:
    if server.site is None:
        raise ValueError(f"{server.name} is not ours")
    fetch = ("curl", "--silent", "--max-time", "10", f"{_url(server)}/ipxe/{ours.mac(number)}")
    before = server.host.run(fetch).stdout
    profile = "debian-12" if "local disk" in before else "local"
    server.site.netboot("node", "set", f"n{number}", "--profile", profile)
    began = time.monotonic()
    while server.host.run(fetch).stdout == before:
        if time.monotonic() > began + PATIENCE:
            raise OperationError(f"the change of n{number} does not show in {PATIENCE:g} s")
    return time.monotonic() - began


def _url(server: Server) -> str:
    return f"http://{server.address}:{server.port}"


def _resident(server: Server, nodes: int = 0) -> int:
    """Bytes of the boot program that are resident once it serves and knows its nodes."""
    program = ours.start(server, nodes)
    resident: int = ours.boot_program(program).memory_info().rss
    program.end()
    return resident


WORKS = (
    Work(
        "start", "boot program: start → ready", "s", "≤ 1.0 s", _empty, _start, less_is_better=True
    ),
    Work(
        "change",
        f"a node changed among {ours.NODES:,}: command done → answers show it, the slowest",
        "s",
        "≤ 1.0 s",
        _changing,
        _change,
        less_is_better=True,
    ),
    Work(
        "idle",
        "boot program: resident, no node",
        "MB",
        "≤ 110 MB",
        _empty,
        _idle,
        less_is_better=True,
    ),
    Work(
        "node",
        "boot program: resident, a node more",
        "kB",
        "≤ 2 kB",
        _full,
        _per_node,
        less_is_better=True,
    ),
)
