"""How long each firmware waits, and what it says when it fails.

The words are EDK2's, iPXE's and the Intel Boot Agent's own. A Raspberry Pi shows next to nothing:
its words are ours.
"""

from dataclasses import dataclass, field

from netboot.model import Arch
from netboot.simulate.machine import Kind
from netboot.wire import iana

RASPBERRY_PI_BOOT = b"Raspberry Pi Boot"
"""What option 43 must contain for a Raspberry Pi."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the firmware shows when something does not come.

    Attributes:
        nothing: no offer at all.
        no_lease: boot offers only, or no lease after all.
        no_boot: a lease, but nothing that says what to boot.
        no_binl: silence on port 4011.
        discovery: an offer that wants boot server discovery.
        missing: the boot file is not there.
        no_answer: the boot file's server does not answer.
        broke_off: the transfer broke off.
        refused: any other error from that server.
    """

    nothing: str
    no_lease: str
    no_boot: str
    no_binl: str
    discovery: str
    missing: str
    no_answer: str
    broke_off: str
    refused: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """One kind's habits.

    Attributes:
        archs: what option 93 may say; the first is the usual one.
        discover_waits: seconds it listens after each DISCOVER.
        request_waits: seconds it waits after each REQUEST for its lease.
        binl_waits: seconds it waits after each REQUEST on port 4011.
        binl_port: the port it sends that REQUEST from, and listens on.
        proxy_wait: seconds it waits for a boot offer once it has a lease's; None: to the end of
            the whole wait, whatever came.
        probes: whether it asks for the boot file's size before it reads it.
        tftp: the options of its TFTP reads (RFC 2348, RFC 7440), in order.
    """

    archs: tuple[int, ...]
    words: Words
    discover_waits: tuple[float, ...] = (4, 8, 16, 32)
    request_waits: tuple[float, ...] = (4, 8, 16)
    binl_waits: tuple[float, ...] = (1, 2)
    binl_port: int = iana.PXE_PORT
    proxy_wait: float | None = None
    probes: bool = True
    tftp: dict[str, int] = field(default_factory=dict)


_EDK2_WORDS = Words(
    nothing="PXE-E16: No valid offer received.",
    no_lease="PXE-E16: No valid offer received.",
    no_boot="PXE-E16: No valid offer received.",
    no_binl="PXE-E16: No valid offer received.",
    discovery="PXE-E16: No valid offer received.",
    missing="PXE-E23: Client received TFTP error from server.",
    no_answer="PXE-E18: Server response timeout.",
    broke_off="PXE-E18: Server response timeout.",
    refused="PXE-E23: Client received TFTP error from server.",
)
_BIOS_WORDS = Words(
    nothing="PXE-E51: No DHCP or proxyDHCP offers were received.",
    no_lease="PXE-E52: proxyDHCP offers were received. No DHCP offers were received.",
    no_boot="PXE-E53: No boot filename received.",
    no_binl="PXE-E55: ProxyDHCP: No reply to request on port 4011.",
    discovery="PXE-E78: Could not locate boot server.",
    missing="PXE-T01: File not found. PXE-E3B: TFTP Error - File not found.",
    no_answer="PXE-E32: TFTP open timeout.",
    broke_off="PXE-E35: TFTP read timeout.",
    refused="PXE-E36: Error received from TFTP server.",
)
_HTTP_SIZE = "Error: Could not retrieve NBP file size from HTTP server."
_HTTP_WORDS = Words(
    nothing=f"{_HTTP_SIZE} Error: Server response timeout.",
    no_lease=f"{_HTTP_SIZE} Error: Server response timeout.",
    no_boot=f"{_HTTP_SIZE} Error: Server response timeout.",
    no_binl="",
    discovery="",
    missing=f"Client Error: 404 Not Found. {_HTTP_SIZE}",
    no_answer=f"{_HTTP_SIZE} Error: Server response timeout.",
    broke_off="Error: Unexpected network error.",
    refused=f"{_HTTP_SIZE} Error: Unexpected network error.",
)
IPXE_WORDS = Words(
    nothing="No configuration methods succeeded",
    no_lease="No configuration methods succeeded",
    no_boot="Nothing to boot: No such file or directory",
    no_binl="Nothing to boot: No such file or directory",
    discovery="Nothing to boot: No such file or directory",
    missing="No such file or directory",
    no_answer="Connection timed out",
    broke_off="Connection timed out",
    refused="Input/output error",
)
_PI_WORDS = Words(
    nothing="Network boot: no DHCP offer",
    no_lease="Network boot: no DHCP lease",
    no_boot='Network boot: no offer with "Raspberry Pi Boot" in option 43',
    no_binl="",
    discovery="",
    missing="Firmware not found",
    no_answer="Network boot: TFTP timed out",
    broke_off="Network boot: TFTP timed out",
    refused="Network boot: TFTP error",
)

_EFI_ARCHS = tuple(
    Arch[name] for name in ("X64", "X64_ALT", "IA32", "ARM32", "ARM64", "RISCV64", "LOONG64")
)
_HTTP_ARCHS = tuple(
    Arch[f"{name}_HTTP"] for name in ("X64", "IA32", "ARM32", "ARM64", "RISCV64", "LOONG64")
)
_EDK2 = Firmware(_EFI_ARCHS, _EDK2_WORDS, tftp={"blksize": 1468, "windowsize": 4})

FIRMWARE = {
    Kind.BIOS: Firmware(
        (Arch.BIOS,),
        _BIOS_WORDS,
        binl_waits=(1, 2, 3, 4),  # PXE 2.1 section 2.2.4
        binl_port=iana.DHCP_CLIENT_PORT,
        tftp={"blksize": 1456},
    ),
    Kind.EDK2_OLD: _EDK2,
    Kind.EDK2: _EDK2,
    Kind.HTTP: Firmware(_HTTP_ARCHS, _HTTP_WORDS),
    Kind.IPXE: Firmware(
        (Arch.X64, Arch.BIOS, *_EFI_ARCHS[1:]),
        IPXE_WORDS,
        discover_waits=(1, 2, 4, 8),
        request_waits=(1, 2, 4, 8),
        binl_port=iana.DHCP_CLIENT_PORT,
        proxy_wait=2,
        probes=False,
        tftp={"blksize": 1432, "tsize": 0},
    ),
    Kind.RPI: Firmware(
        (Arch.BIOS,),  # it says so: the registry has no number for its processor
        _PI_WORDS,
        probes=False,
        tftp={"tsize": 0, "blksize": 1024},
    ),
}
