"""The stages of a boot, told by the machine's own packets.

Whoever serves the boot, these are what must be seen on the machine's wire, in this order, for a
machine with UEFI PXE to reach the Debian installer. Each stage has a deadline, counted from the
stage before it, and the usual cause where it does not come.
"""

from collections.abc import Callable
from dataclasses import dataclass

from netboot.lab import packets
from netboot.lab.packets import Packet

DHCP_PORT, BINL_PORT = 67, 4011
IPXE_OWN_SCRIPT = "autoexec.ipxe"
"""iPXE's EFI builds ask for it before anything else; it is no loader."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The IPv4 addresses of who should answer the machine."""

    netboot: str
    mirror: str


Shows = Callable[[Packet, Servers], bool]


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing a machine does or gets.

    Attributes:
        shown_by: whether a packet of the machine's wire shows it.
        deadline: seconds since the stage before; under TCG, on a busy two-core machine.
        cause: what is usually wrong where it does not come.
    """

    name: str
    meaning: str
    shown_by: Shows
    deadline: float
    cause: str


def _says(kind: int, port: int) -> Shows:
    """The machine sends this DHCP message to this port."""
    return lambda packet, _: (
        packet.destination[1] == port and packets.dhcp_type(packet.payload) == kind
    )


def _is_told(kind: int, port: int) -> Shows:
    """Netboot sends this DHCP message from this port."""
    return lambda packet, servers: (
        packet.source == (servers.netboot, port) and packets.dhcp_type(packet.payload) == kind
    )


def _fetches(part: str) -> Shows:
    """The machine asks netboot for an HTTP target with this in it."""
    return lambda packet, servers: (
        packet.destination[0] == servers.netboot and part in (packets.http_target(packet) or "")
    )


def _reads_loader(packet: Packet, _: Servers) -> bool:
    return packets.tftp_read(packet) not in {None, IPXE_OWN_SCRIPT}


def _asks_mirror(packet: Packet, servers: Servers) -> bool:
    return packet.destination[0] == servers.mirror and packets.http_target(packet) is not None


INSTALLER_BOOT = (
    Stage(
        "DISCOVER",
        "the firmware asks for an address and a boot server",
        _says(packets.DISCOVER, DHCP_PORT),
        30,
        "the firmware did not try the network: see its serial line",
    ),
    Stage(
        "OFFER",
        "netboot offers itself beside the DHCP server",
        _is_told(packets.OFFER, DHCP_PORT),
        10,
        "netboot does not know the machine, or does not hear it on this interface",
    ),
    Stage(
        "REQUEST 4011",
        "the firmware asks netboot for its loader",
        _says(packets.REQUEST, BINL_PORT),
        30,
        "no DHCP server gave the machine an address, or the OFFER's shape is not understood",
    ),
    Stage(
        "ACK 4011",
        "netboot names it",
        _is_told(packets.ACK, BINL_PORT),
        5,
        "nobody listens on port 4011",
    ),
    Stage(
        "loader",
        "the firmware reads iPXE by TFTP",
        _reads_loader,
        15,
        "the ACK names no loader this firmware can fetch",
    ),
    Stage(
        "script",
        "iPXE fetches this machine's script by HTTP",
        _fetches("/ipxe/"),
        45,
        "the loader did not start, or finds no network of its own",
    ),
    Stage(
        "kernel",
        "iPXE fetches the installer's kernel",
        _fetches("/linux"),
        20,
        "the script could not be made: see its lines on the machine's screen",
    ),
    Stage(
        "initrd",
        "iPXE fetches the installer's initrd",
        _fetches("/initrd"),
        30,
        "the kernel was not served whole",
    ),
    Stage(
        "preseed",
        "the installer fetches this machine's own answers",
        _fetches("/preseed"),
        240,
        "the installer has no network, or no preseed URL on its kernel line",
    ),
    Stage(
        "mirror",
        "the installer asks its Debian mirror for the first file",
        _asks_mirror,
        180,
        "the preseed names another mirror, or the installer stopped to ask something",
    ),
)
