"""The iPXE script: 64 machines at once out of 10,000; nginx serving the same bytes as the limit."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from benchmarks import load, ours, peers
from benchmarks.work import Figure, Server, Sides, Size, Work
from netboot.errors import OperationError
from netboot.lab.site import HTTP_PORT

REQUESTS = 30_000
MACHINES = 64
FIRST_SOURCE = "127.0.1.1"
"""Each machine has an address of its own, as each has a rate of its own."""


@contextmanager
def _sides(size: Size) -> Iterator[Sides]:
    nodes = size.of(ours.NODES)
    with ours.prepared(nodes) as site:
        _hear(site, nodes)
        netboot = replace(site, pid=ours.start(site, nodes).process.pid)
        length = len(_script(netboot))
        with peers.serving("nginx", peers.nginx, {"script": length}) as nginx:
            yield Sides(netboot, nginx)


def _hear(server: Server, nodes: int) -> None:
    """Let it have heard every machine's DISCOVER: without one there is no token, and no script."""
    if server.site is None:
        raise ValueError(f"{server.name} is not ours")
    heard = server.site.data / "run" / "heard.json"
    heard.parent.mkdir(mode=0o710, exist_ok=True)
    now = time.time()
    heard.write_text(json.dumps({ours.mac(number): now for number in range(nodes)}), "utf-8")


def _measure(server: Server, size: Size) -> Figure:
    count, nodes = size.of(REQUESTS, MACHINES), size.of(ours.NODES)
    lines = [f"/ipxe/{ours.mac(number % nodes)}" for number in range(count)]
    done = load.get(server, MACHINES, lines, FIRST_SOURCE, MACHINES)
    return Figure(done.done / done.seconds, done.cpu / count, done.p99, done.failed)


def _script(netboot: Server) -> bytes:
    """A machine's script, to know its length."""
    url = f"http://{netboot.address}:{HTTP_PORT}/ipxe/{ours.mac(0)}"
    fetch = partial(urllib.request.urlopen, url, timeout=10)
    with netboot.host.inside(fetch) as reply:
        script = bytes(reply.read())
    if b"/node/" not in script:
        raise OperationError("netboot gives its machines no installer")
    return script


WORKS = (
    Work(
        "ipxe-script",
        f"iPXE script, {ours.NODES:,} nodes, {MACHINES} connections (nginx: the same bytes)",
        "scripts/s",
        "≥ 12,000/s a core, p99 ≤ 20 ms",
        _sides,
        _measure,
        cpu_unit="script",
    ),
)
