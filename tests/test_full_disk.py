"""A full disk, a full database, a cut network: told once, nothing is lost, and booting goes on.

A full disk in a fetch is in ``tests/test_media_fetch.py``, a mirror that is away in
``tests/test_serve_offline.py``, a control program that is away in ``tests/test_serve_process.py``.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

import pytest

from netboot.events import Kind
from netboot.lab.namespaces import Lan
from netboot.lab.program import Program
from netboot.lab.site import Site, kinds
from tests.pxe_peer import IPXE, PxeClient, stock, tftp_blocks
from tests.waiting import await_

pytestmark = pytest.mark.root

MIRROR = "http://mirror.example/debian"
LOADER = bytes(range(256)) * 200
FULL = "database or disk is full; what was there is kept"
GUIDE = "see docs/troubleshooting.md#full-disk"
WHOLE = [
    *(Kind.DISCOVER, Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011, Kind.LOADER),
    *(Kind.SCRIPT, Kind.KERNEL),
]
LARGE = 32 << 20
"""Bytes of a kernel, fetched in four seconds."""
OUTAGE = 1.5
"""Seconds a cable is out: more than a TFTP server waits before it sends again."""


@dataclass
class Disk:
    """A small file system."""

    path: Path

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self) -> None:
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1):
                with pytest.raises(OSError, match="No space left"):
                    _write_forever(file, size)

    def make_room(self) -> None:
        self.ballast.unlink()


def _write_forever(file: IO[bytes], size: int) -> NoReturn:
    while True:
        file.write(bytes(size))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@dataclass
class Lab:
    """A netboot with machines in front of it, and what it has said."""

    site: Site
    client: PxeClient
    machines: int = 0
    said: list[str] = field(default_factory=list)

    def serve(self) -> Program:
        return self.site.serve(on_line=self.said.append)

    def register(self, count: int) -> list[str]:
        """That many nodes, ``m0`` and so on; their names."""
        names = [f"m{number}" for number in range(self.machines, self.machines + count)]
        self.machines += count
        for name in names:
            self.site.netboot("node", "add", name, "--mac", mac(name), "--profile", "debian-12")
        return names

    def boot(self, name: str) -> None:
        """From the first DISCOVER to the kernel."""
        client = self.client
        await_(lambda: client.offer(mac(name)), f"an OFFER for {name}")
        assert client.boot_file(mac(name)) == "snponly.efi"
        assert b"".join(tftp_blocks(client.host, client.server, b"snponly.efi")) == LOADER
        assert client.offer(mac(name), IPXE) is not None
        script = self.fetch(f"/ipxe/{mac(name)}")
        [kernel] = re.findall(r"^kernel http://[^/]+(\S+)", script, re.MULTILINE)
        assert self.fetch(kernel) == "kernel"

    def fetch(self, path: str) -> str:
        url = f"http://{self.client.server}:8080{path}"
        return self.client.host.run(["curl", "-sf", "--max-time", "5", url], check=False).stdout

    def lines(self, text: str) -> list[str]:
        return [line for line in self.said if text in line]

    def await_line(self, text: str) -> str:
        return await_(lambda: self.lines(text), text, 20)[0]


def mac(name: str) -> str:
    return f"52:54:00:00:09:{int(name[1:]):02x}"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    stock(tmp_path / "images", "ipxe", {"snponly.efi": LOADER})
    stock(tmp_path / "images", "debian-12", {"linux": b"kernel", "initrd.gz": b"initrd"})
    return tmp_path / "images"


def lab_on(disk: Disk, lan: Lan, images: Path, what: str) -> Lab:
    """A lab whose small disk holds ``everything`` of netboot's but images, or its ``database``."""
    server: dict[str, str] = {"database": f"sqlite:///{disk.path}/netboot.db"}
    if what == "everything":
        server = {"data_dir": str(disk.path)}
        (disk.path / "images").symlink_to(images)
    site = Site(lan, images, MIRROR, settings={"server": server})
    return Lab(site, PxeClient(lan.host("client"), lan.server))


@pytest.mark.parametrize("what", ["everything", "database"])
def test_machines_boot_while_the_disk_is_full_and_nothing_is_lost(
    what: str, disk: Disk, lan_with_dhcp: Lan, images: Path
) -> None:
    lab = lab_on(disk, lan_with_dhcp, images, what)
    names = lab.register(6)
    lab.serve()
    lab.boot(names[0])
    lab.site.wait_for_event(names[0], Kind.KERNEL, 60)
    heard = disk.path / "run/heard.json"
    if what == "everything":
        await_(lambda: heard.exists() and mac(names[0]) in heard.read_text(), "it is written down")

    disk.fill()
    for name in names[1:]:
        lab.boot(name)
    assert "full" in lab.await_line("events cannot be kept")
    if what == "everything":
        assert lab.await_line("heard.json: cannot be kept: No space left on device").endswith(GUIDE)
        assert mac(names[0]) in json.loads(heard.read_bytes())  # what was there still is
    assert FULL in refusal(lab.site)
    listed = json.loads(lab.site.netboot("node", "list", "--json").stdout)
    assert [node["name"] for node in listed] == names

    disk.make_room()
    lab.await_line("events are kept again")
    if what == "everything":
        lab.await_line("heard.json: is kept again")
    for name in names:
        lab.site.wait_for_event(name, Kind.KERNEL, 60)
        assert kinds(lab.site.timeline(name)) == WHOLE
    assert refusal(lab.site) == ""
    assert len(lab.lines("events cannot be kept")) == len(lab.lines("events are kept")) == 1
    assert len(lab.lines("heard.json: ")) == (2 if what == "everything" else 0)
    assert not lab.lines("Traceback")


def test_a_restart_on_a_full_disk_serves_what_was_known(
    disk: Disk, lan_with_dhcp: Lan, images: Path
) -> None:
    lab = lab_on(disk, lan_with_dhcp, images, "everything")
    [name] = lab.register(1)
    snapshot = disk.path / "run/snapshot.json"
    serving = lab.serve()
    await_(lambda: snapshot.exists() and mac(name) in snapshot.read_text(), "it is written down")
    serving.end()

    disk.fill()
    serving = lab.serve()
    lab.boot(name)
    assert FULL in lab.await_line("; tried again every 1 s")
    disk.make_room()
    lab.await_line("the database is open")
    lab.site.wait_for_event(name, Kind.KERNEL, 60)
    assert kinds(lab.site.timeline(name)) == WHOLE
    lab.register(1)
    assert len(lab.lines("not looked for missing images: ")) == 1
    assert len(lab.lines(FULL)) == 2  # that one, and the control program's
    assert not lab.lines("again in")  # neither program ended


def test_a_first_start_on_a_full_disk_is_refused_in_one_line(
    disk: Disk, lan: Lan, images: Path
) -> None:
    lab = lab_on(disk, lan, images, "everything")
    disk.fill()
    refused = lab.site.netboot("node", "list", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"netboot: {disk.path}/netboot.db: {FULL}; {GUIDE}\n"


def refusal(site: Site) -> str:
    """The one line with which a change is refused, "" where it is done."""
    done = site.netboot("group", "set", "g", "--label", "a=b", "--set", "x=y", check=False)
    assert (done.returncode, len(done.stderr.splitlines())) in ((0, 0), (1, 1)), done.stderr
    return done.stderr


def test_files_of_ones_own_for_which_there_is_no_room_leave_those_that_were_there(
    disk: Disk, lan: Lan, images: Path, tmp_path: Path
) -> None:
    site = Site(lan, images, MIRROR, settings={"server": {"data_dir": str(disk.path)}})
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(bytes(8 << 20))
    site.netboot("image", "add", "own", f"{small}=file")
    refused = site.netboot("image", "add", "own", f"{large}=file", check=False)
    *_, line = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert line == f"netboot: own: No space left on device; what was there is kept; {GUIDE}"
    assert site.netboot("image", "verify", "own").stdout.endswith("1 file good\n")
    large.write_bytes(bytes(1 << 20))
    site.netboot("image", "add", "own", f"{large}=file")  # what it had taken is given back
    assert site.netboot("image", "verify", "own").stdout.endswith("1 file good\n")


@pytest.mark.parametrize("whose", ["server", "client"])
def test_a_boot_goes_on_when_a_cable_is_in_again(
    whose: str, lan_with_dhcp: Lan, images: Path, tmp_path: Path
) -> None:
    stock(images, "debian-13", {"linux": bytes(LARGE)})
    lan = lan_with_dhcp
    lab = Lab(Site(lan, images, MIRROR), PxeClient(lan.host("client"), lan.server))
    first, second = lab.register(2)
    lab.serve()
    blocks = tftp_blocks(lab.client.host, lab.client.server, b"snponly.efi")
    came = [next(blocks) for _ in range(3)]
    url, got = f"{lab.site.url}/images/debian-13/linux", tmp_path / "got"
    command: list[str | Path]
    command = ["curl", "-sf", "--max-time", "60", "--limit-rate", str(LARGE // 4), "-o", got, url]
    curl = lab.client.host.popen(command)
    await_(lambda: got.exists() and got.stat().st_size, "the kernel's first bytes")

    host = lan.host(whose)
    host.run(["ip", "link", "set", "eth0", "down"])
    time.sleep(OUTAGE)  # nobody sees what is sent meanwhile
    assert curl.poll() is None
    host.run(["ip", "link", "set", "eth0", "up"])
    await_(lambda: lab.fetch("/healthz"), "the switch has seen the cable", 20)

    assert b"".join([*came, *blocks]) == LOADER
    assert curl.wait(60) == 0
    assert got.stat().st_size == LARGE
    for name in (first, second):
        lab.boot(name)
        lab.site.wait_for_event(name, Kind.KERNEL, 60)
        assert kinds(lab.site.timeline(name)) == WHOLE
    told = 1 if whose == "server" else 0
    assert len(lab.lines("eth0 is down: ")) == len(lab.lines("eth0 is up again")) == told
    assert not lab.lines("Traceback")
