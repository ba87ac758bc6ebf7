"""The boot program itself: how soon it is ready, and what memory it takes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks import ours
from benchmarks.work import Figure, Server, Sides, Size, Work

KB, MB = 1e3, 1e6


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
