"""Record golden packets: what real firmware says, against a peer that is not netboot.

    python -m netboot.lab.record LOADERS FOLDER

boots one machine per kind of firmware beside a plain DHCP server and dnsmasq's ProxyDHCP, and
writes the raw UDP payload of each first-of-its-kind packet the machine sent as ``FOLDER/NAME.bin``
and what sent it as ``FOLDER/README.md``. LOADERS holds ``snponly.efi`` and ``undionly.kpxe``.
Needs root.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from netboot.errors import NetbootError, OperationError
from netboot.lab import packets
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.namespaces import Lan
from netboot.lab.packets import Packet
from netboot.lab.peer import HTTP_PORT, Peer

PORTS = (67, 68, 69, 4011)
RUN_TIMEOUT = 60.0
MAC = "52:54:00:00:00:01"

_TYPES = {packets.DISCOVER: "discover", packets.REQUEST: "request"}
_LOADERS = ("snponly.efi", "undionly.kpxe")
_PACKAGES = ("qemu-system-x86", "ovmf", "seabios", "ipxe-qemu", "dnsmasq-base")
_HTTP_BOOT = (
    "--dhcp-vendorclass=set:http,HTTPClient",
    "--dhcp-option-force=tag:http,60,HTTPClient",
    f"--dhcp-boot=tag:http,http://10.77.0.2:{HTTP_PORT}/snponly.efi",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One boot and the packets it is made for.

    Attributes:
        first: what the packets of the machine's own firmware are named after.
        second: likewise for the loader it fetches.
        last: the packet that ends the run.
        sender: first and second in words, for the index.
        ipxe: the boot file an iPXE is given; None for a script by HTTP.
        next_server: whether an iPXE is given siaddr too.
        dhcp: more options of the plain DHCP server.
    """

    firmware: FirmwareKind
    first: str
    second: str
    last: str
    ipxe: str | None = None
    next_server: bool = True
    dhcp: tuple[str, ...] = ()


RUNS = (
    Run("uefi", "ovmf-pxe", "ipxe-snponly", "ipxe-snponly-request-67"),
    Run("uefi-http", "ovmf-http", "ipxe-by-http", "ovmf-http-request-67", dhcp=_HTTP_BOOT),
    Run("ipxe-rom", "ipxe-rom-efi", "", "ipxe-rom-efi-request-67"),
    Run("bios", "ipxe-rom-bios", "", "ipxe-rom-bios-request-4011", next_server=False),
    Run("bios", "ipxe-rom-bios", "ipxe-undionly", "ipxe-undionly-request-67", ipxe=_LOADERS[1]),
)
_SENDERS = {
    "ovmf-pxe": "OVMF's own PXE (UEFI x64)",
    "ovmf-http": "OVMF's own HTTP Boot (UEFI x64)",
    "ipxe-snponly": "Debian 13's iPXE, `snponly.efi`, loaded by OVMF over PXE",
    "ipxe-rom-efi": "the iPXE of QEMU's option ROM under OVMF (2019)",
    "ipxe-rom-bios": "the iPXE of QEMU's option ROM under SeaBIOS (2019)",
    "ipxe-undionly": "Debian 13's iPXE, `undionly.kpxe`, loaded by that ROM",
}


class Recorder:
    """Gives each first-of-its-kind packet of a run its name."""

    def __init__(self, run: Run) -> None:
        self.found: dict[str, bytes] = {}
        self._run = run
        self._loading = self._loaded = False

    def sees(self, packet: Packet) -> bool:
        """Take in a packet in its turn; whether the run is complete with it."""
        if what := self._kind(packet):
            name = f"{self._run.second if self._loaded else self._run.first}-{what}"
            self.found.setdefault(name, packet.payload)
        return self._run.last in self.found

    def _kind(self, packet: Packet) -> str | None:
        port = packet.destination[1]
        if (file := packets.tftp_read(packet)) is not None:
            self._loading = True
            self._loaded = self._loaded or file == "autoexec.ipxe"
            size = "-tsize" if b"tsize\x000\0" in packet.payload else ""
            return f"tftp-read-{file}{size}"
        message = _TYPES.get(packets.dhcp_type(packet.payload) or 0)
        if message is None or port not in {67, 4011}:
            return None
        self._loaded = self._loaded or self._loading
        return message if message == "discover" else f"{message}-{port}"


def record(run: Run, loaders: Path) -> dict[str, bytes]:
    """Boot one machine; name → UDP payload of what it sent.

    Raises:
        OperationError: the run's last packet did not come.
    """
    with Lan("record") as lan:
        root = lan.directory / "root"
        root.mkdir()
        for loader in _LOADERS:
            shutil.copy(loaders / loader, root)
        (root / "boot.ipxe").write_text("#!ipxe\nsleep 600\n", "ascii")
        PlainDhcp(lan, extra=run.dhcp)
        Peer(lan, root, ipxe=run.ipxe, next_server=run.next_server)
        machine = Machine(lan, "golden", [MAC], run.firmware)
        recorder = Recorder(run)
        with Capture(lan.switch, machine.taps[0], PORTS) as capture:
            machine.power_on()
            try:
                capture.wait_for(recorder.sees, RUN_TIMEOUT)
            except OperationError as error:
                raise OperationError(f"{run}: {error}\n{machine.serial_tail()}") from None
    return recorder.found


def index(found: dict[str, bytes]) -> str:
    """The text of README.md."""
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *_PACKAGES],
        check=False,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    rows = [
        f"| `{name}.bin` | {len(found[name])} | {sender} |"
        for name in sorted(found)
        for prefix, sender in _SENDERS.items()
        if name.startswith(f"{prefix}-")
    ]
    return "\n".join(
        [
            "# Golden packets",
            "",
            "Raw UDP payloads of what real firmware sent, each the first of its kind in a boot",
            "beside a plain DHCP server and dnsmasq as ProxyDHCP. The machine: MAC",
            f"`{MAC}`, SMBIOS UUID `12345678-9abc-4def-8123-525400000001` (option 97 has its",
            "first three fields little-endian), serial number `golden`. `request-67` and",
            "`request-4011` tell the port it was sent to; `-tsize` is a TFTP read that also asks",
            "for the size (OVMF then breaks it off and asks again, iPXE goes on with it).",
            "",
            "Made by `python -m netboot.lab.record`, on Debian with " + ", ".join(versions) + ".",
            "",
            "| file | bytes | sender |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Record every run into the folder named on the command line."""
    loaders, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, bytes] = {}
    for run in RUNS:
        found = record(run, loaders) | found
    for name, payload in found.items():
        (folder / f"{name}.bin").write_bytes(payload)
    (folder / "README.md").write_text(index(found), "utf-8")


if __name__ == "__main__":
    try:
        main()
    except NetbootError as problem:
        sys.exit(f"record: {problem}")
