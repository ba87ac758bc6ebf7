"""A boot storm: power is back, and every machine boots at once over a network that loses packets.

The machines are those of ``netboot simulate``: DHCP, port 4011, the loader by TFTP, its script,
the kernel and the initrd by HTTP. It loses 1 % of the datagrams each way itself; the kernels of
both sides lose 1 % of the TCP packets they receive.

EDK2 asks port 4011 twice and then gives up, so of 2,500 machines one boots in vain whatever the
server does. As firmware that goes through its boot order again it begins anew, which costs time.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

from benchmarks import ours, peers
from benchmarks.work import Figure, Server, Sides, Size, Work
from netboot.errors import OperationError

MACHINES = 1000
LOADER = 1 << 18
FILES = {"linux": 2_000_000, "initrd.gz": 18_000_000}
FIRST_ADDRESS = IPv4Address("10.78.16.1")
LOSS = 1
"""Percent."""
PATIENCE = 300
"""Seconds one boot may take."""
TRIES = 3
"""Boots of a machine until it counts as failed."""
LONGEST_RUN = 600.0
"""Seconds for all of them."""

_SCRIPT = """\
#!ipxe
kernel http://{address}/linux
initrd http://{address}/initrd.gz
boot
"""


@contextmanager
def _sides(size: Size) -> Iterator[Sides]:
    machines = _machines(size)
    images = {"ipxe": {"snponly.efi": LOADER}, "debian-12": FILES}
    with (
        ours.serving(machines, images=images) as netboot,
        peers.serving(
            "dnsmasq", peers.dnsmasq_and_nginx, {**FILES, "snponly.efi": LOADER}, also=["nginx"]
        ) as peer,
    ):
        if isinstance(peer, Server):
            script = peer.host.lan.directory / "root" / peers.SCRIPT
            script.write_text(_SCRIPT.format(address=peer.address), "utf-8")
        for side in (netboot, peer):
            if isinstance(side, Server):
                _machines_behind(side, machines)
        yield Sides(netboot, peer)


def _measure(server: Server, size: Size) -> Figure:
    """Seconds until the last machine has everything."""
    machines = _machines(size)
    options = {
        "--firmware": "edk2",
        "--count": machines,
        "--interface": ours.WIRE,
        "--start-mac": ours.mac(0),
        "--addresses": f"{FIRST_ADDRESS}-{FIRST_ADDRESS + machines - 1}",
        "--until": "initrd",
        "--loss": LOSS,
        "--timeout": PATIENCE,
        "--tries": TRIES,
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "netboot", "simulate", *words, "--eager", "--json"]
    done = server.neighbour.run(command, check=False, timeout=LONGEST_RUN)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise OperationError(f"the machines did not boot: {done.stderr.strip()}") from None
    return Figure(said["seconds"], failed=machines - said["reached"])


def _machines(size: Size) -> int:
    return size.of(MACHINES, 10)


def _machines_behind(server: Server, machines: int) -> None:
    """Give the host that asks an address for each machine, all behind one hardware address."""
    addresses = (FIRST_ADDRESS + number for number in range(machines))
    adding = "\n".join(f"address add {address}/32 dev {ours.WIRE}" for address in addresses)
    server.neighbour.run(["ip", "-batch", "-"], text_input=adding)
    route = f"{FIRST_ADDRESS - 1}/20 via {ours.CLIENT_ADDRESS}"
    server.host.run(["ip", "route", "add", *route.split()])
    for host in (server.host, server.neighbour):
        host.run(["nft", "-f", "-"], text_input=_LOSSY)


_LOSSY = f"""\
table ip loss {{
    chain received {{
        type filter hook input priority 0;
        iifname "{ours.WIRE}" meta l4proto tcp numgen random mod 100 < {LOSS} drop
    }}
}}
"""

WORKS = (
    Work(
        "boot-storm",
        f"boot storm: {MACHINES:,} machines, DHCP → 4011 → loader → script → 20 MB, 1 % loss",
        "s",
        "≥ 1.25x (≤ 0.8x the time), none fails",
        _sides,
        _measure,
        less_is_better=True,
    ),
)
