"""A real machine: OVMF from power-on to the Debian installer's first HTTP request, its preseed.

Each side has a LAN with a plain DHCP server nobody touched. QEMU runs under TCG, which takes most
of the time and is the same for both.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from benchmarks import ours, peers
from benchmarks.load import CACHE
from benchmarks.work import Figure, Missing, Server, Sides, Size, Work
from netboot.errors import OperationError
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.packets import Packet, http_target
from netboot.lab.site import HTTP_PORT, Site
from netboot.media import library

IMAGES = ("ipxe", "debian-12")
PROFILE = "debian-12"
PATIENCE = 300.0
"""Seconds a boot may take."""

_SCRIPT = """\
#!ipxe
kernel http://{address}/linux initrd=initrd.gz auto=true priority=critical \
url=http://{address}/preseed.cfg hostname=n netcfg/hostname=n debian-installer/language=en \
debian-installer/country=US debian-installer/locale=en_US.UTF-8 \
keyboard-configuration/xkb-keymap=us interface=auto BOOTIF=01-${{netX/mac:hexhyp}} \
netcfg/link_wait_timeout=30 netcfg/dhcp_timeout=90
initrd http://{address}/initrd.gz
boot
"""
"""What ours says, without its words for the screen."""

_numbers = count(1)


@contextmanager
def _sides(_size: Size) -> Iterator[Sides]:
    images = CACHE / "images"
    absent = set(IMAGES) - {image.name for image in library.installed(images)}
    if absent:
        raise OperationError(f"netboot image fetch {' '.join(sorted(absent))}: not in {images}")
    with _ours(images) as netboot, _peer(images) as peer:
        yield Sides(netboot, peer)


@contextmanager
def _ours(images: Path) -> Iterator[Server]:
    with Lan("real") as made:
        PlainDhcp(made)
        site = Site(made, images, ours.MIRROR)
        program = site.serve()
        address = str(made.server.address)
        yield Server(
            "netboot", made.server, made.switch, address, HTTP_PORT, program.process.pid, site
        )


@contextmanager
def _peer(images: Path) -> Iterator[Server | Missing]:
    program, http = peers.find("dnsmasq"), peers.find("nginx")
    if isinstance(program, Missing) or isinstance(http, Missing):
        yield program if isinstance(program, Missing) else http
        return
    with Lan("real") as made:
        PlainDhcp(made)
        address = str(made.server.address)
        root = made.directory / "root"
        root.mkdir()
        for image, name in (("ipxe", "snponly.efi"), (PROFILE, "linux"), (PROFILE, "initrd.gz")):
            (root / name).symlink_to((images / image / "current" / name).resolve())
        (root / peers.SCRIPT).write_text(_SCRIPT.format(address=address), "utf-8")
        at = peers.Place("eth0", address)
        process = peers.dnsmasq_and_nginx(program, made.server, root, at).process
        name = "dnsmasq and nginx"
        yield Server(name, made.server, made.switch, address, peers.HTTP_PORT, process.pid)


def _measure(server: Server, _size: Size) -> Figure:
    """Seconds from power-on to the request for the preseed, of a machine nobody has seen yet."""
    number = next(_numbers)
    name, mac = f"n{number}", ours.mac(number)
    if server.site is not None:
        facts = ("--mac", mac, "--profile", PROFILE, "--set", "countdown=0")
        server.site.netboot("node", "add", name, *facts)
    lan = server.host.lan
    machine = Machine(lan, name, [mac])
    try:
        with Capture(lan.switch, machine.taps[0], [server.port]) as capture:
            started = time.time()
            machine.power_on()
            asked = capture.wait_for(_asks_for_preseed, PATIENCE)
            return Figure(asked.time - started)
    finally:
        machine.close()


def _asks_for_preseed(packet: Packet) -> bool:
    return "/preseed" in (http_target(packet) or "")


WORKS = (
    Work(
        "real-boot",
        "real boot: OVMF power-on → the Debian installer asks for its preseed",
        "s",
        "≥ 0.98x (≤ 1.02x the time)",
        _sides,
        _measure,
        less_is_better=True,
    ),
)
