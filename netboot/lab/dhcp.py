"""The DHCP server nobody touched: dnsmasq handing out leases, with no boot option at all.

It knows a range, a router and a name server, as any router's DHCP server does, and beside it the
router says that there is no IPv6 (``router``). It stands in a namespace of its own, or beside
netboot on the same host where a test is about just that. Machines of another LAN reach it, and
netboot, through a relay.
"""

from collections.abc import Sequence
from pathlib import Path

from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program
from netboot.lab.router import Router

START_TIMEOUT = 10.0
FIRST_LEASE, LAST_LEASE = 100, 199
"""Host numbers of the range inside the LAN's subnet."""

_DNSMASQ = (
    "dnsmasq",
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--user=root",  # the folder is ours alone
    "--group=root",
    "--log-facility=-",
    "--log-dhcp",
    "--port=0",  # no DNS
)
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_NO_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")


class PlainDhcp:
    """A running plain DHCP server.

    Args:
        lan: where.
        host: the namespace it runs in; ``lan.dhcp`` by default.
        lease: lease time as dnsmasq writes it.
        extra: more dnsmasq options, for tests about them.
    """

    def __init__(
        self, lan: Lan, host: Host | None = None, *, lease: str = "1h", extra: tuple[str, ...] = ()
    ) -> None:
        self.host = host or lan.dhcp
        folder = lan.directory
        self.lease_file = folder / f"{self.host.name}.leases"
        first, last = lan.subnet[FIRST_LEASE], lan.subnet[LAST_LEASE]
        self.program: Program = self.host.start(
            [
                *_DNSMASQ,
                "--interface=eth0",
                "--bind-dynamic",
                f"--pid-file={folder / f'{self.host.name}.dnsmasq.pid'}",
                f"--dhcp-leasefile={self.lease_file}",
                f"--dhcp-range={first},{last},{lan.subnet.netmask},{lease}",
                f"--dhcp-option=option:router,{lan.dhcp.address}",
                f"--dhcp-option=option:dns-server,{lan.dhcp.address}",
                *extra,
            ],
            folder / f"{self.host.name}.dnsmasq.log",
        )
        self.program.wait_for(r"DHCP, IP range", START_TIMEOUT)
        Router(self.host)

    @property
    def log(self) -> Path:
        """Its log, one line for each packet's meaning."""
        return self.program.log

    @property
    def leases(self) -> dict[str, str]:
        """MAC → address of every lease it has given."""
        if not self.lease_file.exists():
            return {}
        rows = (line.split() for line in self.lease_file.read_text("ascii").splitlines())
        return {row[1]: row[2] for row in rows if len(row) >= 3}  # noqa: PLR2004 -- its columns

    def close(self) -> None:
        """Stop it."""
        self.program.end()


class Relay:
    """A router between two LANs that is also a DHCP relay agent (RFC 1542 section 4).

    Args:
        far: the LAN whose machines it serves; it has no DHCP server of its own.
        near: the LAN of the servers.
        servers: hosts of ``near``. Each is sent what the machines say, and gets a route to them.

    Attributes:
        inside: its address on ``far``: giaddr, and the machines' router.
        outside: its address on ``near``.
        range: options for the plain DHCP server of ``near``, by which it serves ``far`` too.
    """

    def __init__(self, far: Lan, near: Lan, servers: Sequence[Host]) -> None:
        self.host = far.host("relay")
        self.inside, self.outside = str(self.host.address), str(near.subnet[-2])
        near.join(self.host, "eth1", self.outside)
        self.host.inside(_be_a_router)
        for server in servers:
            server.run(["ip", "route", "add", str(far.subnet), "via", self.outside])
        first, last = far.subnet[FIRST_LEASE], far.subnet[LAST_LEASE]
        self.range = (
            f"--dhcp-range=set:far,{first},{last},{far.subnet.netmask},1h",
            f"--dhcp-option=tag:far,option:router,{self.inside}",
        )
        self.program = self.host.start(
            [
                *_DNSMASQ,
                f"--pid-file={far.directory / 'relay.pid'}",
                *(f"--dhcp-relay={self.inside},{server.address}" for server in servers),
            ],
            far.directory / "relay.log",
        )
        self.program.wait_for(r"DHCP relay from", START_TIMEOUT)
        Router(far.dhcp)  # its own host forwards IPv4 alone


def _be_a_router() -> None:
    """Forward IPv4 in the namespace this thread is in."""
    _FORWARDING.write_text("1", "ascii")
    # dnsmasq forgets whom a reply is for when an address comes up late, as IPv6 ones do
    if _NO_IPV6.exists():
        _NO_IPV6.write_text("1", "ascii")
