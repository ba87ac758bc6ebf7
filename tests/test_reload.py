"""Nodes, groups, profiles and templates change while 200 slow transfers run: none of them notices.

A real ``netboot serve`` in a namespace. The machines' transfers are taken step by step between the
changes, so that all of them are under way from the first change to the last.
"""

import hashlib
import http.client
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netboot import config
from netboot.control import inventory as control
from netboot.control.inventory import Inventory
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import HTTP_PORT, Site
from netboot.media import library

pytestmark = pytest.mark.root

SERVED_WITHIN = 5.0
"""Seconds from a change that was confirmed to the answer that shows it; where nothing else runs a
second is never reached."""
EACH = 100
NODES = 100
BATCH = 10
KERNEL_SIZE, INITRD_SIZE = 4 << 20, 100_000
HTTP_STEP, TFTP_STEP = 64 << 10, 8
PROFILE = 'script = "ipxe/lab.ipxe"\n[vars]\ncolour = "{}"\n'
TEMPLATE = (
    "#!ipxe\necho {} colour={{{{ vars.colour }}}} step={{{{ vars.step }}}} {{{{ vars.shift }}}}\n"
)


class HttpRead:
    """A machine that reads its kernel by HTTP, slowly."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        self._socket.settimeout(60)
        self._socket.connect((address, HTTP_PORT))
        self._socket.sendall(b"GET /images/debian-12/linux HTTP/1.1\r\nHost: n\r\n\r\n")
        self._answer = http.client.HTTPResponse(self._socket)
        self._answer.begin()
        self._digest = hashlib.sha256()
        self.size = 0

    def step(self) -> None:
        """Read a little more."""
        part = self._answer.read(HTTP_STEP)
        self._digest.update(part)
        self.size += len(part)

    def finish(self) -> str:
        """Read the rest; the digest of all."""
        while self.size < KERNEL_SIZE:
            before = self.size
            self.step()
            assert self.size > before, f"broke off after {before} bytes"
        return self._digest.hexdigest()

    def close(self) -> None:
        self._answer.close()
        self._socket.close()


class TftpRead:
    """A machine that reads its initrd by TFTP, slowly (RFC 1350)."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(60)
        self._socket.sendto(b"\0\1images/debian-12/initrd.gz\0octet\0", (address, 69))
        self._digest = hashlib.sha256()
        self._block = 0
        self.size = 0
        self.done = False

    def step(self) -> None:
        """Take a few more blocks."""
        for _ in range(TFTP_STEP):
            if not self.done:
                self._next()

    def finish(self) -> str:
        """Take the rest; the digest of all."""
        while not self.done:
            self._next()
        return self._digest.hexdigest()

    def close(self) -> None:
        self._socket.close()

    def _next(self) -> None:
        packet, server = self._socket.recvfrom(1024)
        assert packet[:2] == b"\0\3", packet
        if int.from_bytes(packet[2:4]) != self._block + 1:
            return  # sent again while we were away
        self._block += 1
        self._digest.update(packet[4:])
        self.size += len(packet) - 4
        self.done = len(packet) - 4 < 512
        self._socket.sendto(b"\0\4" + packet[2:4], server)


class Asker:
    """Asks for machines' scripts over one connection."""

    def __init__(self, host: Host, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, HTTP_PORT)
        self._connection.sock = host.inside(lambda: socket.create_connection((address, HTTP_PORT)))
        self.close = self._connection.close

    def script(self, number: int) -> str:
        self._connection.request("GET", f"/ipxe/{mac(number)}")
        return self._connection.getresponse().read().decode()

    def sees(self, number: int, text: str, since: float) -> None:
        """Wait until a machine's script has ``text``; it must not take longer than it may."""
        while text not in (last := self.script(number)):
            late = time.monotonic() - since
            assert late < SERVED_WITHIN, f"n{number} after {late:.2f} s: {last}"
            time.sleep(0.01)


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def image(folder: Path, name: str, files: dict[str, int]) -> dict[str, str]:
    """Make a fetched image of random bytes; gives each file's digest."""
    contents = {file: os.urandom(size) for file, size in files.items()}
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    with library.staging(folder / name) as staged:
        for file, content in contents.items():
            (staged / file).write_bytes(content)
        manifest = library.Manifest(
            image=name,
            version="1",
            package=name,
            suite="lab",
            mirror="http://mirror.example/debian",
            deb_sha256="0" * 64,
            fetched_at=datetime.now(UTC),
            files={
                file: library.Entry(sha256=digest, size=files[file], member=file)
                for file, digest in digests.items()
            },
        )
        library.switch(folder / name, staged, manifest)
    return digests


def put(file: Path, text: str) -> float:
    """Replace a file as an editor does; the moment after."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.rename(file)
    return time.monotonic()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The operator's own templates."""
    for name in ("ipxe", "profiles"):
        (tmp_path / "own" / name).mkdir(parents=True)
    put(tmp_path / "own" / "ipxe" / "lab.ipxe", TEMPLATE.format("old"))
    put(tmp_path / "own" / "profiles" / "lab.toml", PROFILE.format("red"))
    return tmp_path / "own"


@pytest.fixture
def digests(tmp_path: Path) -> dict[str, str]:
    image(tmp_path / "images", "ipxe", {"snponly.efi": 1000})
    sizes = {"linux": KERNEL_SIZE, "initrd.gz": INITRD_SIZE}
    return image(tmp_path / "images", "debian-12", sizes)


@pytest.fixture
def site(lan_with_dhcp: Lan, tmp_path: Path, own: Path, digests: dict[str, str]) -> Site:
    assert digests
    settings = {"server": {"templates": [str(own)]}}
    return Site(
        lan_with_dhcp, tmp_path / "images", "http://mirror.example/debian", settings=settings
    )


@pytest.fixture
def inventory(site: Site) -> Iterator[Inventory]:
    """Through the control program that serves."""
    site.serve()
    deadline = time.monotonic() + 60
    while not control._listening(site.data / "run" / "control.sock"):
        assert time.monotonic() < deadline, "the control program did not come"
        time.sleep(0.02)
    with control.open_inventory(config.load(site.config, {})) as found:
        labels = {"rack": "3"}
        found.set_group("rack", {"labels": labels, "profile": "lab", "vars": {"shift": "early"}})
        found.import_nodes(
            [
                {"name": f"n{n}", "macs": [mac(n)], "labels": labels, "vars": {"step": "first"}}
                for n in range(NODES)
            ]
        )
        yield found


@pytest.fixture
def asker(lan: Lan, site: Site, inventory: Inventory) -> Iterator[Asker]:
    assert inventory
    found = Asker(lan.host("machines"), str(site.host.address))
    yield found
    found.close()


def test_everything_changes_and_no_transfer_fails(
    lan: Lan, site: Site, own: Path, inventory: Inventory, asker: Asker, digests: dict[str, str]
) -> None:
    machines, address = lan.host("machines"), str(site.host.address)
    asker.sees(NODES - 1, "old colour=red step=first early", time.monotonic())
    kernels = [machines.inside(lambda: HttpRead(address)) for _ in range(EACH)]
    initrds = [machines.inside(lambda: TftpRead(address)) for _ in range(EACH)]
    for transfer in (*kernels, *initrds):
        lan.on_close(transfer.close)

    def go_on() -> None:
        for transfer in (*kernels, *initrds):
            transfer.step()

    for start in range(0, NODES, BATCH):
        go_on()
        batch = range(start, start + BATCH)
        changed = {n: renamed(inventory, n, f"later-{n}") for n in batch}
        for number, moment in changed.items():
            asker.sees(number, f"step=later-{number} ", moment)
    changes: dict[str, Callable[[], float]] = {
        "new colour=red": lambda: put(own / "ipxe" / "lab.ipxe", TEMPLATE.format("new")),
        "colour=blue": lambda: put(own / "profiles" / "lab.toml", PROFILE.format("blue")),
        "late": lambda: shifted(inventory),
    }
    for text, change in changes.items():
        go_on()
        moment = change()
        asker.sees(0, text, moment)
        asker.sees(NODES - 1, text, moment)

    under_way = [t for t in kernels if t.size < KERNEL_SIZE] + [t for t in initrds if not t.done]
    assert len(under_way) == 2 * EACH
    assert {transfer.finish() for transfer in kernels} == {digests["linux"]}
    assert {transfer.finish() for transfer in initrds} == {digests["initrd.gz"]}


def test_a_broken_profile_takes_nothing_else_with_it_and_can_be_mended(
    own: Path, inventory: Inventory, asker: Asker
) -> None:
    asker.sees(0, "colour=red", time.monotonic())
    other = own / "profiles" / "other.toml"
    moment = put(other, 'script = "ipxe/lab.ipxe"\n[vars]\ncolour = "green"\n')
    inventory.update("n1", {"profile": "other"})
    asker.sees(1, "colour=green", moment)
    put(other, "script = 1")
    put(own / "profiles" / "lab.toml", PROFILE.format("blue"))
    asker.sees(0, "colour=blue", time.monotonic())
    assert "colour" not in asker.script(1)
    asker.sees(1, "colour=blue", put(other, PROFILE.format("blue")))


def renamed(inventory: Inventory, number: int, step: str) -> float:
    inventory.update(f"n{number}", {"vars": {"step": step}})
    return time.monotonic()


def shifted(inventory: Inventory) -> float:
    inventory.set_group("rack", {"vars": {"shift": "late"}})
    return time.monotonic()
