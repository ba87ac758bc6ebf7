"""``make demo``: watch a machine with real UEFI firmware boot into the Debian installer.

    python -m netboot.lab.demo [--mirror URL]

makes a lab of network namespaces with a plain DHCP server nobody touched and a virtual machine
that boots from its empty disk, and runs ``netboot serve`` in it. The machine's BMC is told by
Redfish to boot it from the network once and to power-cycle it; from then on each stage is told
from the machine's own packets, until the installer has fetched its own preseed and asked its
mirror for the first file. It ends by itself, and leaves nothing behind but
``$NETBOOT_CACHE/demo``: a screenshot, the serial log and the packets. Exit status 1 where a stage
does not come in time. Needs root.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from netboot.cli.progress import shown
from netboot.config import Debian, Server, Settings
from netboot.errors import NetbootError, OperationError
from netboot.lab.capture import Capture
from netboot.lab.mirror import Mirror
from netboot.lab.packets import Packet
from netboot.lab.program import Program
from netboot.lab.site import HTTP_PORT, Site
from netboot.lab.up.file import Bmc, LabFile, Nic, Node
from netboot.lab.up.lab import Lab, LabNode
from netboot.lab.witness import INSTALLER_BOOT, Servers, Stage
from netboot.media import library
from netboot.media import mirror as debian_mirror
from netboot.media.fetch import each

IMAGES = ("ipxe", "debian-12")
NODE, MAC, PROFILE = "n1", "52:54:00:00:00:01", "debian-12"
BMC = Bmc(protocols=("redfish",), address="10.78.0.11")
LAB = LabFile(
    name="demo",
    nodes={NODE: Node(nics=(Nic(network="boot", mac=MAC),), boot=("disk",), bmc=BMC)},
)
"""The machine's own order has no network in it: it comes there because its BMC was told so."""
MIRROR_PORT = 80
PORTS = (67, 68, 69, 4011, HTTP_PORT, MIRROR_PORT)
DISK_TIMEOUT = 120.0
"""Seconds until firmware has found nothing on the empty disk, on a busy machine."""
LOOK_EVERY = 1.0
"""Seconds between looks at whether ``netboot serve`` still runs while a stage is awaited."""
CONSOLES = "ttyS0,115200n8 tty0"
"""Both speak; the installer shows itself on the last, so that there is a screenshot."""
BMC_FILE = "bmc.pass"
EXIT_INTERRUPTED = 130


class Demo:
    """One boot, told on standard output.

    Args:
        cache: where images are kept, and what is left behind.
        upstream: URL of the real Debian mirror.
    """

    def __init__(self, cache: Path, upstream: str) -> None:
        self._cache = cache
        self._upstream = upstream
        self._kept = cache / "demo"
        self._started = 0.0
        self._times: list[tuple[Stage, float]] = []

    def run(self) -> None:
        """Boot the machine.

        Raises:
            OperationError: a stage did not come; the text has the usual cause and the tails of
                the machine's serial line and of netboot's output.
        """
        with Lab(LAB) as lab:
            self._fetch_images()
            lan, node = lab.networks["boot"], lab.nodes[NODE]
            mirror = Mirror(lan.host("mirror"), self._upstream, MIRROR_PORT)
            self._introduce(lab, mirror)
            site = Site(lan, self._cache / "images", mirror.url)
            self._register(site, node)
            say("\n$ netboot serve")
            serve = site.serve(on_line=lambda line: say(f"          │ {line}"))
            capture = Capture(node.host, node.machine.hardware.nics[0].tap, PORTS)
            servers = Servers(str(lan.server.address), str(mirror.host.address))
            try:
                self._send_to_network(site, node)
                self._watch(node, capture, serve, servers)
                _type(site, f"netboot node power {NODE} status")
            finally:
                self._keep(node, capture)
            self._summarise()

    def _fetch_images(self) -> None:
        settings = Settings(
            server=Server(data_dir=str(self._cache)), debian=Debian(mirror=self._upstream)
        )
        present = {image.name for image in library.installed(settings.images_dir)}
        missing = [name for name in IMAGES if name not in present]
        if not missing:
            return
        with shown() as progress:
            for outcome in each(missing, settings, progress):
                say(f"{outcome.image.name} {outcome.image.version} is fetched and verified")

    def _introduce(self, lab: Lab, mirror: Mirror) -> None:
        lan = lab.networks["boot"]
        say(f"A lab of its own, {lan.subnet}, and {lab.bmcs.subnet} for BMCs:")
        say(f"  {lan.dhcp.address}   a plain DHCP server: dnsmasq without any boot option")
        say(f"  {lan.server.address}   netboot serve")
        say(f"  {mirror.host.address}   the Debian mirror")
        say(f"  {NODE}          {MAC}: a virtual machine with OVMF, real UEFI firmware, off;")
        say("              by itself it boots from its disk alone, which is empty")
        say(f"  {BMC.address}  its BMC, which speaks Redfish")
        say()

    def _register(self, site: Site, node: LabNode) -> None:
        variables = f"--set hostname={NODE} --set console={shlex.quote(CONSOLES)}"
        _type(site, f"netboot node add {NODE} --mac {MAC} --profile {PROFILE} {variables}")
        (site.lan.directory / BMC_FILE).write_text(BMC.password, "utf-8")
        who = f"--bmc-user {BMC.user} --bmc-password-file {BMC_FILE}"
        pin = f"--bmc-fingerprint {node.fingerprint}"
        _type(site, f"netboot node set {NODE} --bmc {node.bmcs[0]} {who} {pin}")

    def _send_to_network(self, site: Site, node: LabNode) -> None:
        """Have a machine that runs, from its own disk, start from the network instead.

        Raises:
            OperationError: it does not come as far as its disk.
        """
        _type(site, f"netboot node power {NODE} on")
        # power lost while firmware first writes its variables costs their repair at the next start
        node.machine.program.wait_for(r"BdsDxe: failed to load", DISK_TIMEOUT)
        _type(site, f"netboot node boot {NODE} pxe --once")
        self._started = time.time()
        _type(site, f"netboot node power {NODE} cycle")

    def _watch(self, node: LabNode, capture: Capture, serve: Program, servers: Servers) -> None:
        for stage in INSTALLER_BOOT:
            try:
                packet = _await(stage, servers, capture, serve)
            except OperationError as error:
                raise OperationError(self._explained(stage, error, node, serve)) from None
            self._times.append((stage, packet.time - self._started))
            say(f"{packet.time - self._started:7.1f} s ✓ {stage.name}: {stage.meaning}")

    def _explained(self, stage: Stage, error: OperationError, node: LabNode, serve: Program) -> str:
        before = self._times[-1][0].name if self._times else "its power cycle"
        return (
            f"{before}, but no {stage.name} ({error}).\n"
            f"Likely cause: {stage.cause}.\n"
            f"--- the end of the machine's serial line\n{node.machine.program.tail()}\n"
            f"--- the end of netboot serve's output\n{serve.tail()}"
        )

    def _keep(self, node: LabNode, capture: Capture) -> None:
        """Save what shows how it went; what cannot be had does not hide how it went."""
        self._kept.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OperationError, OSError):
            node.machine.screendump(self._kept / "screen.png")
        with contextlib.suppress(OSError):
            shutil.copy(node.machine.serial_log, self._kept / "serial.log")
            capture.write_pcap(self._kept / "boot.pcap")

    def _summarise(self) -> None:
        say(f"\n{NODE} runs the Debian installer with its own answers. Seconds since its cycle:")
        for stage, seconds in self._times:
            say(f"  {seconds:6.1f}  {stage.name}")
        say(f"What it shows: {self._kept / 'screen.png'}; packets and serial log are beside it.")


def _type(site: Site, line: str) -> None:
    """Run a netboot command and show it, with what it says, as a terminal would."""
    say(f"$ {line}")
    words = shlex.split(line)[1:]
    there = {BMC_FILE: site.lan.directory / BMC_FILE}
    say(site.netboot(*(there.get(word, word) for word in words)).stdout.rstrip())


def say(line: str = "") -> None:
    """Print a line now, whole: two threads talk."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m netboot.lab.demo", description=__doc__)
    parser.add_argument("--mirror", metavar="URL", help="default: what this host's apt is set to")
    arguments = parser.parse_args()
    cache = Path(os.environ.get("NETBOOT_CACHE") or ".cache").absolute()
    try:
        Demo(cache, arguments.mirror or debian_mirror.find(Settings()).url).run()
    except NetbootError as error:
        sys.stderr.write(f"\ndemo: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ndemo: interrupted; everything is cleaned up\n")
        return EXIT_INTERRUPTED
    return 0


def _await(stage: Stage, servers: Servers, capture: Capture, serve: Program) -> Packet:
    deadline = time.monotonic() + stage.deadline
    while True:
        left = deadline - time.monotonic()
        with contextlib.suppress(OperationError):
            return capture.wait_for(
                lambda packet: stage.shown_by(packet, servers), min(LOOK_EVERY, left)
            )
        if serve.process.poll() is not None:
            raise OperationError(f"netboot serve ended with status {serve.process.returncode}")
        if left <= LOOK_EVERY:
            raise OperationError(f"within {stage.deadline:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
