"""ProxyDHCP: DISCOVER → OFFER over veth, many machines at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import load, ours, peers
from benchmarks.work import Figure, Server, Sides, Size, Work

EXCHANGES = 100_000
OUTSTANDING = 32


@contextmanager
def _sides(size: Size) -> Iterator[Sides]:
    with (
        ours.serving(size.of(ours.NODES)) as netboot,
        peers.serving("dnsmasq", peers.dnsmasq_proxy) as dnsmasq,
    ):
        yield Sides(netboot, dnsmasq)


def _measure(server: Server, size: Size) -> Figure:
    exchanges = size.of(EXCHANGES, OUTSTANDING)
    arguments: list[str | int] = [ours.WIRE, OUTSTANDING, exchanges, size.of(ours.NODES)]
    done = load.run(server, "dhcp", arguments, host=server.neighbour)
    return Figure(done.done / done.seconds, done.cpu / exchanges, done.p99, done.failed)


WORKS = (
    Work(
        "dhcp",
        f"DISCOVER → OFFER, {OUTSTANDING} outstanding, {ours.NODES:,} known nodes",
        "OFFERs/s",
        "≥ 1.8x, p99 no worse",
        _sides,
        _measure,
        cpu_unit="OFFER",
    ),
)
