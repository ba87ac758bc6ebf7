"""netboot as it is installed: ``netboot serve`` with nodes, images and both its programs."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.work import Server
from netboot.errors import OperationError
from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program
from netboot.lab.site import HTTP_PORT, Site
from netboot.media.library import Entry, Manifest, staging, switch

MIRROR = "http://10.77.0.1/debian"
"""Named in preseeds; nothing asks it."""
WIRE = "wire0"
"""The cable's interface, on both ends."""
ADDRESS, CLIENT_ADDRESS, NETWORK = "10.78.0.1", "10.78.0.2", "10.78.0.0"
NODES = 10_000
READY = r"ready in ([0-9.]+) s"
"""What it says once it answers machines: the seconds since its process was started."""
START_TIMEOUT = 30.0
BOOT_PROGRAM = "netboot-boot"
"""What program 1 calls itself; see ``netboot.supervisor``."""

Images = Mapping[str, Mapping[str, int]]
"""Image → its files' names and sizes."""
Sections = Mapping[str, Mapping[str, str | int]]
"""Of a configuration: section → key → value."""

_POLL = 0.1


@contextmanager
def lan() -> Iterator[tuple[Lan, Host]]:
    """A LAN whose server has a cable of its own, without a bridge, to the host that asks.

    What a bridge costs, flooding each broadcast to everybody, would else count as the server's.
    """
    with Lan("bench") as made:
        client = made.host("client")
        peer = f"peer name {WIRE} netns {client.namespace}"
        made.server.run(["ip", "link", "add", WIRE, "type", "veth", *peer.split()])
        for host, address in ((made.server, ADDRESS), (client, CLIENT_ADDRESS)):
            host.run(["ip", "address", "add", f"{address}/16", "dev", WIRE])
            host.run(["ip", "link", "set", WIRE, "up"])
        yield made, client


@contextmanager
def prepared(
    nodes: int = 0,
    files: Mapping[str, int] | None = None,
    *,
    images: Images | None = None,
    settings: Sections | None = None,
) -> Iterator[Server]:
    """A site on a LAN of its own that does not serve yet.

    Args:
        nodes: how many are registered; number n has the address ``mac(n)``.
        files: name → size of the files of an image named ``bench``.
        images: the other images, ``INSTALLER`` by default.
        settings: more sections and keys of its configuration.
    """
    with lan() as (made, client):
        folder = made.directory / "images"
        for image, content in {**(images or INSTALLER), "bench": files or {"empty": 0}}.items():
            stock(folder / image, content)
        sections = {"server": {"interfaces": WIRE}, **(settings or {})}
        site = Site(made, folder, MIRROR, settings=sections)
        if nodes:
            listing = made.directory / "nodes.yaml"
            listing.write_text(json.dumps([_node(number) for number in range(nodes)]), "utf-8")
            site.netboot("node", "import", listing)
        yield Server("netboot", site.host, client, ADDRESS, HTTP_PORT, site=site)


@contextmanager
def serving(
    nodes: int = 0,
    files: Mapping[str, int] | None = None,
    *,
    images: Images | None = None,
    settings: Sections | None = None,
) -> Iterator[Server]:
    """The same, serving."""
    with prepared(nodes, files, images=images, settings=settings) as server:
        program = start(server, nodes)
        yield replace(server, pid=program.process.pid)


def start(server: Server, nodes: int = 0) -> Program:
    """``netboot serve``, once it is ready and knows its nodes.

    Raises:
        OperationError: it does not get there in ``START_TIMEOUT`` seconds.
    """
    if server.site is None:
        raise ValueError(f"{server.name} is not ours")
    program = server.site.serve()
    program.wait_for(READY, START_TIMEOUT)
    deadline = time.monotonic() + START_TIMEOUT
    while nodes and server.site.fetch(f"/ipxe/{mac(nodes - 1)}").returncode != 0:
        if time.monotonic() > deadline:
            raise OperationError(f"netboot knows no nodes; it said:\n{program.tail()}")
        time.sleep(_POLL)
    return program


def boot_program(program: Program) -> psutil.Process:
    """Program 1 of a running ``netboot serve``."""
    children = psutil.Process(program.process.pid).children(recursive=True)
    return next(child for child in children if child.name() == BOOT_PROGRAM)


def stock(image_dir: Path, files: Mapping[str, int]) -> None:
    """Make an image of files of zeros, as a fetch leaves one."""
    entries = {name: Entry("0" * 64, size, f"/{name}") for name, size in files.items()}
    manifest = Manifest(
        image=image_dir.name,
        version="1",
        package="bench",
        suite="bench",
        mirror=MIRROR,
        deb_sha256="0" * 64,
        fetched_at=datetime.now(UTC),
        files=entries,
    )
    with staging(image_dir) as folder:
        for name, size in files.items():
            sparse(folder / name, size)
        switch(image_dir, folder, manifest)


def sparse(path: Path, size: int) -> None:
    """A file of ``size`` zero bytes that takes no room on the disk."""
    path.touch()
    os.truncate(path, size)


INSTALLER: Images = {
    "ipxe": {"snponly.efi": 1 << 18},
    "debian-12": {"linux": 1 << 20, "initrd.gz": 1 << 20},
}


def mac(number: int) -> str:
    """The address of node ``number``."""
    return "52:54:00:" + number.to_bytes(3).hex(":")


def _node(number: int) -> dict[str, object]:
    return {"name": f"n{number}", "macs": [mac(number)], "profile": "debian-12"}
