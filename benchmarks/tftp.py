"""TFTP reads: one client or many, lock-step or in windows."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import load, ours, peers
from benchmarks.work import Figure, Server, Sides, Size, Work

BLKSIZE = 1468
MIB = 1 << 20
FILE = "images/bench/file"


@contextmanager
def _sides(
    size: Size, *, program: str, start: peers.Start, length: int, allowed: int
) -> Iterator[Sides]:
    length = size.of(length, BLKSIZE)
    settings = {"tftp": {"windowsize": allowed}} if allowed else {}
    with (
        ours.serving(files={"file": length}, settings=settings) as netboot,
        peers.serving(program, start, {FILE: length}) as peer,
    ):
        yield Sides(netboot, peer)


def _measure(server: Server, size: Size, *, clients: int, windowsize: int, length: int) -> Figure:
    length = size.of(length, BLKSIZE)
    arguments: list[str | int] = [server.address, FILE, length, clients, BLKSIZE, windowsize]
    done = load.run(server, "tftp", arguments)
    return Figure(done.mib_per_second, done.cpu / done.gigabytes, None, done.failed)


def _work(
    clients: int,
    windowsize: int,
    mib: int,
    program: str,
    start: peers.Start,
    goal: str,
    *,
    allowed: int = 0,
) -> Work:
    """``allowed``: what ``tftp.windowsize`` is set to, 0 for its default."""
    who = "one client" if clients == 1 else f"{clients} clients"
    how = "lock-step" if windowsize == 1 else f"windowsize {windowsize}"
    if allowed:
        how += f" (with tftp.windowsize = {allowed})"
    return Work(
        f"tftp-{clients}-{windowsize}" + ("-allowed" if allowed else ""),
        f"TFTP {who}, {how}, blksize {BLKSIZE}",
        "MiB/s",
        goal,
        partial(_sides, program=program, start=start, length=mib * MIB, allowed=allowed),
        partial(_measure, clients=clients, windowsize=windowsize, length=mib * MIB),
        cpu_unit="GB",
    )


WORKS = (
    _work(1, 1, 32, "in.tftpd", peers.tftpd_hpa, "≥ 0.9x"),
    _work(1, 4, 128, "atftpd", peers.atftpd, "≥ 1.0x"),
    _work(1, 64, 256, "atftpd", peers.atftpd, "≥ 1.0x"),
    _work(1, 64, 256, "atftpd", peers.atftpd, "≥ 2.5x", allowed=64),
    _work(32, 1, 8, "dnsmasq", peers.dnsmasq_tftp, "≥ 0.9x"),
    _work(200, 4, 2, "dnsmasq", peers.dnsmasq_tftp, "≥ 1.8x, none fails"),
)
