"""HTTP: a large file, many readers of one, and the small ranges of a BMC that mounts an ISO."""

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import load, ours, peers
from benchmarks.work import Figure, Server, Sides, Size, Work

MB = 1_000_000
RANGE = 64 * 1024
FILE = "images/bench/file"
_BMCS = itertools.count(1)
"""Numbers networks of BMCs: each has an address of its own, as each has a rate of its own."""


@contextmanager
def _sides(size: Size, *, length: int) -> Iterator[Sides]:
    length = size.of(length, RANGE)
    with (
        ours.serving(files={"file": length}) as netboot,
        peers.serving("nginx", peers.nginx, {FILE: length}) as nginx,
    ):
        yield Sides(netboot, nginx)


def _whole(server: Server, size: Size, *, readers: int, times: int) -> Figure:  # noqa: ARG001 -- the file is what is scaled
    done = load.get(server, readers, [f"/{FILE}"] * readers * times)
    return Figure(done.bytes / MB / done.seconds, done.cpu / done.gigabytes, None, done.failed)


def _ranges(server: Server, size: Size, *, connections: int, count: int, length: int) -> Figure:
    length = size.of(length, RANGE)
    chosen = random.Random(1)  # noqa: S311 -- the same ranges for both sides
    starts = [chosen.randrange(length - RANGE + 1) for _ in range(size.of(count))]
    lines = [f"/{FILE} {start} {start + RANGE - 1}" for start in starts]
    first = f"127.0.{next(_BMCS) % 256}.1"
    done = load.get(server, connections, lines, first, connections)
    return Figure(done.done / done.seconds, done.cpu / done.gigabytes, done.p99, done.failed)


def _whole_work(name: str, title: str, mb: int, readers: int, times: int) -> Work:
    return Work(
        name,
        title,
        "MB/s",
        "≥ 1.0x, CPU ≤ 1.1x",
        partial(_sides, length=mb * MB),
        partial(_whole, readers=readers, times=times),
        cpu_unit="GB",
    )


def _range_work(name: str, title: str, connections: int) -> Work:
    return Work(
        name,
        title,
        "ranges/s",
        "≥ 1.0x, CPU ≤ 1.1x",
        partial(_sides, length=500 * MB),
        partial(_ranges, connections=connections, count=3000, length=500 * MB),
        cpu_unit="GB",
    )


WORKS = (
    _whole_work("http-one", "HTTP, one reader, 500 MB", 500, 1, 4),
    _whole_work("http-many", "HTTP, 40 readers, 50 MB each", 50, 40, 1),
    _range_work("http-ranges", "HTTP, 3,000 random ranges of 64 KiB, one BMC", 1),
    _range_work("http-ranges-16", "HTTP, 3,000 random ranges of 64 KiB, 16 BMCs", 16),
)
