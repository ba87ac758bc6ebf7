"""Which of our ports are free, and who holds the others.

UDP 67 is looked at but never needed: DHCP is heard on packet sockets, beside whoever holds it.
Whether a needed port is free is found by binding it for an instant, which is the only answer that
is right in containers too; the holder's name comes from the kernel's tables.
"""

import errno
import socket
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

from netboot.config import Settings
from netboot.wire import iana

_ANY = "0.0.0.0"  # noqa: S104 -- compared with and probed for, not served on


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a port.

    Attributes:
        pid: its process; None where the kernel does not tell us.
        program: its name, "" likewise.
        address: the local address it is bound to.
    """

    pid: int | None
    program: str
    address: str

    def __str__(self) -> str:
        if self.pid is None:
            return "another user's process, or one outside this container"
        return f"{self.program or 'a process'} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Port:
    """One port we use.

    Attributes:
        proto: ``udp`` or ``tcp``.
        problem: why we cannot open it, "" where we can.
        holder: who holds it, None where nobody does or nobody is to be seen.
        needed: whether serving is impossible without it.
    """

    proto: str
    number: int
    purpose: str
    problem: str = ""
    holder: Holder | None = None
    needed: bool = True


def holder(proto: str, port: int, address: str | None = None) -> Holder | None:
    """Who holds ``port``, in a way that keeps us from binding ``address``.

    Args:
        proto: ``udp`` or ``tcp``.
        port: its number.
        address: the IPv4 address we want it on; None for every address.
    """
    kind = "udp" if proto == "udp" else "tcp"
    for found in psutil.net_connections(kind=kind):
        if not found.laddr or found.laddr.port != port:
            continue
        if proto == "tcp" and found.status != psutil.CONN_LISTEN:
            continue
        if _collide(found.laddr.ip, address):
            return Holder(found.pid, _program(found.pid), found.laddr.ip)
    return None


def ports(settings: Settings) -> tuple[Port, ...]:
    """The state of every port the boot program uses, UDP 67 last."""
    needed = (
        ("udp", settings.tftp.port, "TFTP"),
        ("udp", iana.PXE_PORT, "ProxyDHCP"),
        ("tcp", settings.http.port, "HTTP"),
    )
    probed = [
        Port(proto, number, purpose, problem, holder(proto, number) if problem else None)
        for proto, number, purpose in needed
        for problem in [_problem(proto, number)]
    ]
    beside = holder("udp", iana.DHCP_SERVER_PORT)
    return (*probed, Port("udp", iana.DHCP_SERVER_PORT, "DHCP", "", beside, needed=False))


def _problem(proto: str, number: int) -> str:
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if proto == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_ANY, number))
            if proto == "tcp":
                probe.listen(1)  # two may share a TCP port until one listens
        except OSError as error:
            known = {errno.EADDRINUSE: "is held", errno.EACCES: "needs root"}
            return known.get(error.errno or 0, f"cannot be opened: {error.strerror}")
    return ""


def _collide(held: str, wanted: str | None) -> bool:
    held_by = ip_address(held.partition("%")[0])
    if held_by.version == 6:  # noqa: PLR2004 -- the IP version
        mapped = held_by.ipv4_mapped
        if mapped is None and not held_by.is_unspecified:
            return False
        held_by = mapped or ip_address(_ANY)
    if wanted is None or wanted == _ANY or held_by.is_unspecified:
        return True
    return held_by == ip_address(wanted)


def _program(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""  # it ended meanwhile, or is hidden from us
