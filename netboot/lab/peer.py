"""The boot server everybody has: dnsmasq as ProxyDHCP and TFTP, and a plain web server.

It is the measure and the control: where a machine boots from this peer and not from netboot, the
fault is netboot's. It is also what golden packets are recorded against, so that no reply of ours
shapes what the firmware says.
"""

import sys
from pathlib import Path

from netboot.lab.namespaces import Lan
from netboot.lab.program import Program

HTTP_PORT = 8080
START_TIMEOUT = 10.0


class Peer:
    """A running dnsmasq and web server.

    Args:
        lan: where.
        root: the folder both serve; loaders and script stand in it.
        efi: the loader of x64 UEFI machines.
        bios: the loader of BIOS machines that are not iPXE yet.
        ipxe: the boot file iPXE is given; by default ``boot.ipxe`` by HTTP.
        next_server: whether iPXE is also given siaddr; without it, it asks port 4011.
        extra: more dnsmasq options.
    """

    def __init__(
        self,
        lan: Lan,
        root: Path,
        *,
        efi: str = "snponly.efi",
        bios: str = "undionly.kpxe",
        ipxe: str | None = None,
        next_server: bool = True,
        extra: tuple[str, ...] = (),
    ) -> None:
        self.host = lan.server
        self.url = f"http://{self.host.address}:{HTTP_PORT}/"
        boot = ipxe or f"{self.url}boot.ipxe"
        self.web: Program = self.host.start(
            [
                *(sys.executable, "-u", "-m", "http.server", str(HTTP_PORT)),
                *("--bind", str(self.host.address), "--directory", root),
            ],
            lan.directory / "peer-web.log",
        )
        self.dnsmasq: Program = self.host.start(
            [
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--user=root",
                "--group=root",
                "--log-facility=-",
                "--log-dhcp",
                "--port=0",
                "--interface=eth0",
                "--bind-dynamic",
                f"--pid-file={lan.directory / 'peer.pid'}",
                f"--dhcp-range={lan.subnet.network_address},proxy",
                "--enable-tftp",
                f"--tftp-root={root}",
                "--dhcp-match=set:ipxe,175",
                f"--pxe-service=tag:!ipxe,X86-64_EFI,netboot,{efi}",
                f"--pxe-service=tag:!ipxe,X86PC,netboot,{bios}",
                f"--dhcp-boot=tag:ipxe,{boot}" + (f",,{self.host.address}" if next_server else ""),
                *extra,
            ],
            lan.directory / "peer-dnsmasq.log",
        )
        self.dnsmasq.wait_for(r"TFTP root", START_TIMEOUT)
        self.web.wait_for(r"Serving HTTP", START_TIMEOUT)

    def close(self) -> None:
        """Stop both."""
        self.dnsmasq.end()
        self.web.end()
