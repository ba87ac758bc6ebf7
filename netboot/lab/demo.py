"""``make demo``: watch a machine with real UEFI firmware boot into the Debian installer.

    python -m netboot.lab.demo [--mirror URL]

makes a LAN of network namespaces with a plain DHCP server nobody touched, runs ``netboot serve``
on it, switches a virtual machine on, and tells each stage from the machine's own packets until
the installer has fetched its own preseed and asked its mirror for the first file. It ends by
itself, and leaves nothing behind but ``$NETBOOT_CACHE/demo``: a screenshot, the serial log and
the packets. Exit status 1 where a stage does not come in time. Needs root.
"""

import argparse
import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

from netboot.cli.progress import shown
from netboot.config import Debian, Server, Settings
from netboot.errors import NetbootError, OperationError
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.machine import Machine
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.packets import Packet
from netboot.lab.program import Program
from netboot.lab.site import HTTP_PORT, Site
from netboot.lab.witness import INSTALLER_BOOT, Servers, Stage
from netboot.media import library
from netboot.media import mirror as debian_mirror
from netboot.media.fetch import each

IMAGES = ("ipxe", "debian-12")
NODE, MAC, PROFILE = "n1", "52:54:00:00:00:01", "debian-12"
MIRROR_PORT = 80
PORTS = (67, 68, 69, 4011, HTTP_PORT, MIRROR_PORT)
KERNEL_LOG = "earlycon=uart8250,io,0x3f8 keep_bootcon"
"""The kernel's log goes to the serial line, while the installer shows itself on the screen."""
LOOK_EVERY = 1.0
"""Seconds between looks at whether ``netboot serve`` still runs while a stage is awaited."""
CONSOLES = "ttyS0,115200n8 tty0"
"""Both speak; the installer shows itself on the last, so that there is a screenshot."""
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
        self._times: list[tuple[Stage, float]] = []

    def run(self) -> None:
        """Boot the machine.

        Raises:
            OperationError: a stage did not come; the text has the usual cause and the tails of
                the machine's serial line and of netboot's output.
        """
        with Lan("demo") as lan:
            self._fetch_images()
            PlainDhcp(lan)
            mirror = Mirror(lan.host("mirror"), self._upstream, MIRROR_PORT)
            self._introduce(lan)
            site = Site(lan, self._cache / "images", mirror.url)
            self._register(site)
            say("$ netboot serve")
            serve = site.serve(on_line=lambda line: say(f"          │ {line}"))
            machine = Machine(lan, NODE, [MAC])
            capture = Capture(lan.switch, machine.taps[0], PORTS)
            servers = Servers(str(lan.server.address), str(mirror.host.address))
            try:
                self._boot(machine, capture, serve, servers)
            finally:
                self._keep(machine, capture)
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

    def _introduce(self, lan: Lan) -> None:
        say(f"A LAN of its own, {lan.subnet}:")
        say(f"  {lan.dhcp.address}   a plain DHCP server: dnsmasq without any boot option")
        say(f"  {lan.server.address}   netboot serve")
        say(f"  {lan.host('mirror').address}   the Debian mirror")
        say(f"  {NODE}          {MAC}: a virtual machine with OVMF, real UEFI firmware, off")
        say()

    def _register(self, site: Site) -> None:
        facts = ("--mac", MAC, "--profile", PROFILE)
        variables = ("--set", f"hostname={NODE}", "--set", f"console={CONSOLES}")
        say(f"$ netboot node add {NODE} {' '.join(facts)}")
        say(site.netboot("node", "add", NODE, *facts, *variables).stdout.rstrip())

    def _boot(self, machine: Machine, capture: Capture, serve: Program, servers: Servers) -> None:
        say(f"\n{NODE} is switched on")
        started = time.time()
        machine.power_on()
        for stage in INSTALLER_BOOT:
            try:
                packet = _await(stage, servers, capture, serve)
            except OperationError as error:
                raise OperationError(self._explained(stage, error, machine, serve)) from None
            self._times.append((stage, packet.time - started))
            say(f"{packet.time - started:7.1f} s ✓ {stage.name}: {stage.meaning}")

    def _explained(
        self, stage: Stage, error: OperationError, machine: Machine, serve: Program
    ) -> str:
        before = self._times[-1][0].name if self._times else "power-on"
        return (
            f"{before}, but no {stage.name} ({error}).\n"
            f"Likely cause: {stage.cause}.\n"
            f"--- the end of the machine's serial line\n{machine.serial_tail()}\n"
            f"--- the end of netboot serve's output\n{serve.tail()}"
        )

    def _keep(self, machine: Machine, capture: Capture) -> None:
        """Save what shows how it went; what cannot be had does not hide how it went."""
        self._kept.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OperationError, OSError):
            machine.screendump(self._kept / "screen.png")
        with contextlib.suppress(OSError):
            shutil.copy(machine.serial_log, self._kept / "serial.log")
            capture.write_pcap(self._kept / "boot.pcap")

    def _summarise(self) -> None:
        say(f"\n{NODE} runs the Debian installer with its own answers. Seconds since power-on:")
        for stage, seconds in self._times:
            say(f"  {seconds:6.1f}  {stage.name}")
        say(f"What it shows: {self._kept / 'screen.png'}; packets and serial log are beside it.")


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
