"""The DHCP server nobody touched: dnsmasq handing out leases, with no boot option at all.

It knows a range, a router and a name server, as any router's DHCP server does. It stands in a
namespace of its own, or beside netboot on the same host where a test is about just that.
"""

from pathlib import Path

from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program

START_TIMEOUT = 10.0
FIRST_LEASE, LAST_LEASE = 100, 199
"""Host numbers of the range inside the LAN's subnet."""


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
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--user=root",  # the folder is ours alone
                "--group=root",
                "--log-facility=-",
                "--log-dhcp",
                "--port=0",  # no DNS
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
