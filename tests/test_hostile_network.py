"""A million broken and forged datagrams and requests, and then a good machine boots."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from netboot.events import Kind
from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program
from netboot.lab.site import Site
from tests.pxe_peer import ASK_AGAIN, PxeClient, stock, tftp_blocks
from tests.waiting import await_

pytestmark = pytest.mark.root

MAC = "52:54:00:00:00:01"
WARM_UP, FLOOD = 100_000, 900_000
MEMORY_GROWTH = 24 << 20
"""Bytes the boot program may grow by: every bounded table may fill, and nothing else grows."""
MAX_LINES = 2_000
"""Lines that a flood may make ``netboot serve`` print."""


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan("hostile") as made:
        yield made


def boot_program(serving: Program) -> psutil.Process:
    for child in psutil.Process(serving.process.pid).children(recursive=True):
        if child.name() == "netboot-boot":
            return child
    raise AssertionError("no boot program runs")


def flood(attacker: Host, site: Site, count: int, seed: int) -> None:
    script = Path(__file__).parent / "hostile_peer.py"
    server = str(site.host.address)
    attacker.run([sys.executable, str(script), server, str(count), str(seed)], timeout=500)


def test_a_good_machine_boots_after_a_million_bad_ones(lan: Lan) -> None:
    images = lan.directory / "images"
    stock(images, "ipxe", {"snponly.efi": b"loader" * 1000})
    stock(images, "debian-12", {"linux": b"kernel", "initrd.gz": b"initrd"})
    site = Site(lan, images, "http://mirror.example/debian")
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "debian-12")
    serving = site.serve()
    attacker, machine = lan.host("attacker"), lan.host("machine")
    flood(attacker, site, WARM_UP, seed=1)
    program = boot_program(serving)
    before = program.memory_info().rss
    flood(attacker, site, FLOOD, seed=2)
    client = PxeClient(machine, site.host)
    await_(lambda: client.offer(MAC, seconds=ASK_AGAIN), "an offer")
    assert await_(lambda: client.boot_file(MAC), "an answer on 4011") == "snponly.efi"
    loader = b"".join(tftp_blocks(machine, str(site.host.address), b"snponly.efi"))
    assert loader == b"loader" * 1000
    script = site.fetch(f"/ipxe/{MAC}").stdout
    assert "/node/" in script
    assert program.is_running()
    assert boot_program(serving).pid == program.pid
    assert program.memory_info().rss - before < MEMORY_GROWTH
    assert len(serving.text.splitlines()) < MAX_LINES
    site.wait_for_event("n1", Kind.SCRIPT, 60)
