"""``netboot serve`` as a real process on a LAN of its own, spoken to as machines speak."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest

from netboot.events import Event, Kind
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program
from netboot.lab.site import Site, kinds
from tests.pxe_peer import ASK_AGAIN, IPXE, UEFI, PxeClient, TftpError, stock, tftp_blocks
from tests.waiting import await_

pytestmark = pytest.mark.root

MIRROR = "http://mirror.example/debian"
NETBOOT = (sys.executable, "-m", "netboot")
SENTINEL = "52:54:00:00:00:ff"
"""Always registered: asked for last, its answer shows that another one got none."""
LOADER = bytes(range(256)) * 400
NUMBERS = count(1)
SOON = 5.0
"""Seconds in which a change shows in answers; a second where nothing else runs."""


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan("serve") as made:
        PlainDhcp(made, extra=("--no-ping",))  # its ping makes each survey wait
        yield made


@pytest.fixture(scope="module")
def images(lan: Lan) -> Path:
    folder = lan.directory / "images"
    stock(folder, "ipxe", {"snponly.efi": LOADER, "undionly.kpxe": b"BIOS"})
    stock(folder, "debian-12", {"linux": b"kernel", "initrd.gz": b"initrd"})
    return folder


@pytest.fixture(scope="module")
def site(lan: Lan, images: Path) -> Site:
    found = Site(lan, images, MIRROR)
    found.netboot("node", "add", "sentinel", "--mac", SENTINEL, "--profile", "local")
    return found


@pytest.fixture(scope="module")
def serving(site: Site) -> Program:
    return site.serve()


@pytest.fixture(scope="module")
def client(lan: Lan, serving: Program) -> PxeClient:
    assert serving.process.poll() is None
    return PxeClient(lan.host("client"), lan.server)


@pytest.fixture
def other(lan: Lan, images: Path) -> Site:
    """A site for one test alone, that may be ended."""
    return Site(lan, images, MIRROR, host=lan.host(f"s{next(NUMBERS)}"))


def part(program: Program, role: str) -> psutil.Process:
    """One of the two programs of a running ``netboot serve``."""
    parts = psutil.Process(program.process.pid).children()
    [found] = [one for one in parts if one.name() == f"netboot-{role}"]
    return found


def pids(host: Host) -> set[int]:
    """Every process in a host's namespace."""
    command = ["ip", "netns", "pids", host.namespace]
    return {int(pid) for pid in subprocess.check_output(command).split()}


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def add(site: Site, name: str, mac: str, profile: str = "debian-12") -> None:
    site.netboot("node", "add", name, "--mac", mac, "--profile", profile)


def fetch(client: PxeClient, path: str) -> str:
    """GET by curl from the machines' side; "" for an error."""
    url = f"http://{client.server}:8080{path}"
    return client.host.run(["curl", "-sf", "--max-time", "5", url], check=False).stdout


@contextmanager
def slow_get(client: PxeClient, path: str) -> Iterator[socket.socket]:
    """A GET whose answer has begun, and waits to be read."""
    connected = client.host.inside(lambda: _connected(client.server))
    with connected:
        connected.settimeout(60)
        connected.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert connected.recv(8, socket.MSG_PEEK) == b"HTTP/1.1"
        yield connected


def _connected(server: str) -> socket.socket:
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connected.connect((server, 8080))
    return connected


def read_all(connected: socket.socket) -> bytes:
    """Everything until the other end is done."""
    pieces = []
    while piece := connected.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


HOLD = """
import socket, sys, time
open("/proc/self/comm", "w").write("squatter")
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
held = socket.socket(socket.AF_INET, kind)
held.bind(("", int(sys.argv[2])))
if kind == socket.SOCK_STREAM:
    held.listen()
print("held", flush=True)
time.sleep(60)
"""
HELD = [
    ("udp", 69, "", "UDP port 69 (TFTP): is held by {}"),
    ("udp", 69, "boot", "UDP port 69: is held by {}"),
    ("udp", 4011, "", "UDP port 4011 (ProxyDHCP): is held by {}"),
    ("udp", 4011, "boot", "UDP port 4011: is held by {}"),
    ("tcp", 8080, "", "TCP port 8080 (HTTP): is held by {}"),
    ("tcp", 8080, "boot", "TCP port 8080: is held by {}"),
    ("tcp", 8443, "", "cannot listen there: taken by {}"),
    ("tcp", 8443, "control", "cannot listen there: taken by {}"),
]
Refused = dict[tuple[int, str], tuple["subprocess.Popen[bytes]", Program]]


@pytest.fixture(scope="module")
def refused(lan: Lan, images: Path) -> Refused:
    """A host for each port, somebody who holds it there, and every ``netboot serve`` at once."""
    found: Refused = {}
    for port in dict.fromkeys(port for _, port, _, _ in HELD):
        protocol = next(row[0] for row in HELD if row[1] == port)
        site = Site(lan, images, MIRROR, host=lan.host(f"p{port}"))
        hold = [sys.executable, "-c", HOLD, protocol, str(port)]
        squatter = site.host.start(hold, lan.directory / f"squatter{port}.log")
        squatter.wait_for("held", 60)
        for role in (row[2] for row in HELD if row[1] == port):
            words = ["--role", role] if role else []
            command = [*NETBOOT, "--config", str(site.config), "serve", *words]
            process = site.host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            found[port, role] = process, squatter
    return found


class TestHeldPorts:
    @pytest.mark.parametrize(("protocol", "port", "role", "line"), HELD)
    def test_one_line_says_which_and_who(
        self, refused: Refused, protocol: str, port: int, role: str, line: str
    ) -> None:
        process, squatter = refused[port, role]
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        [said] = errors.decode().splitlines()
        assert said.startswith("netboot: ")
        assert line.format("squatter") in said
        assert str(squatter.process.pid) in said
        assert protocol.upper() in said or "api.listen" in said

    def test_nothing_is_left_running(self, lan: Lan, refused: Refused) -> None:
        for (port, _), (process, squatter) in refused.items():
            process.wait(60)
            assert pids(lan.host(f"p{port}")) == {squatter.process.pid}


class TestOneBoot:
    MAC = "52:54:00:00:01:01"

    def test_every_step_is_answered_and_written_down(self, site: Site, client: PxeClient) -> None:
        add(site, "whole", self.MAC)
        await_(lambda: client.offer(self.MAC, seconds=ASK_AGAIN), "the OFFER")
        assert client.boot_file(self.MAC) == "snponly.efi"
        assert b"".join(tftp_blocks(client.host, client.server, b"snponly.efi")) == LOADER
        chained = client.offer(self.MAC, IPXE)
        assert chained is not None
        assert chained.file.decode() == f"{site.url}/ipxe/{self.MAC}"
        script = fetch(client, f"/ipxe/{self.MAC}")
        for url in re.findall(r"^(?:kernel|initrd) http://[^/]+(\S+)", script, re.MULTILINE):
            assert fetch(client, url) in ("kernel", "initrd")
        [preseed] = re.findall(r" url=http://[^/]+(\S+)", script)
        assert "d-i mirror/http/hostname string mirror.example" in fetch(client, preseed)
        site.wait_for_event("whole", Kind.PRESEED, 60)
        assert kinds(site.timeline("whole")) == [
            *(Kind.DISCOVER, Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011, Kind.LOADER),
            *(Kind.SCRIPT, Kind.KERNEL, Kind.INITRD, Kind.PRESEED),
        ]

    def test_explain_says_what_the_machine_was_told(self, site: Site, client: PxeClient) -> None:
        add(site, "told", "52:54:00:00:01:02", "local")
        await_(lambda: client.offer("52:54:00:00:01:02", seconds=ASK_AGAIN), "the OFFER")
        for mac, packet, words in (
            ("52:54:00:00:01:02", UEFI, ["--arch", "7"]),
            ("52:54:00:00:01:02", IPXE, ["--firmware", "ipxe"]),
            ("52:54:00:00:01:02", "ipxe-rom-bios-discover", ["--firmware", "ipxe", "--arch", "0"]),
            ("52:54:00:00:01:03", UEFI, ["--arch", "0x07"]),
        ):
            client.offer_before(SENTINEL, mac, packet)
            said = json.loads(site.netboot("explain", mac, *words, "--json").stdout)
            event = await_(partial(answer, site, mac, said), "the answer")
            if event.kind is Kind.IGNORED:
                assert (said["verdict"], said["reasons"][-1]) == ("ignore", event.detail)
                continue
            assert said["verdict"] != "ignore"
            told = {key: event.data[key] for key in ("profile", "firmware", "arch")}
            assert told == {key: said[key] for key in told}
            if said["loader"] is not None:
                assert client.boot_file(mac) == said["loader"]


def answer(site: Site, mac: str, said: Mapping[str, object]) -> Event | None:
    """What a DISCOVER of that firmware and architecture came to, as the timeline has it."""
    for event in (record.event for record in site.timeline(mac)):
        asked = (event.data.get("firmware"), event.data.get("arch"))
        if event.kind is Kind.IGNORED or (
            event.kind is Kind.OFFER and asked == (said["firmware"], said["arch"])
        ):
            return event
    return None


class TestNodes:
    """A change shows in answers within ``SOON`` of the command's end."""

    MAC, LATER = "52:54:00:00:02:01", "52:54:00:00:02:02"

    def test_added_changed_and_removed_while_serving(self, site: Site, client: PxeClient) -> None:
        assert client.offer_before(SENTINEL, self.MAC) is None
        add(site, "n1", self.MAC)
        await_(lambda: client.offer_before(SENTINEL, self.MAC), "the OFFER", SOON)
        assert "kernel http" in fetch(client, f"/ipxe/{self.MAC}")

        site.netboot("node", "set", "n1", "--profile", "local", "--add-mac", self.LATER)
        path = f"/ipxe/{self.LATER}"
        await_(lambda: "from the local disk" in fetch(client, path), "its new profile", SOON)
        assert client.offer_before(SENTINEL, self.LATER) is not None

        site.netboot("node", "remove", "n1")
        await_(
            lambda: (
                client.offer_before(SENTINEL, self.MAC) is None
                and client.offer_before(SENTINEL, self.LATER) is None
            ),
            "silence",
            SOON,
        )

    def test_an_unknown_machine_is_recorded_and_the_printed_command_installs_it(
        self, site: Site, client: PxeClient, serving: Program
    ) -> None:
        mac = "52:54:00:00:02:03"
        assert client.offer_before(SENTINEL, mac) is None
        printed = serving.wait_for(rf"{mac} is unknown; to install it: (netboot .*)$", 60)[1]
        site.wait_for_event(mac, Kind.IGNORED, 60, 'dhcp.unknown = "ignore"')
        assert kinds(site.timeline(mac)) == [Kind.DISCOVER, Kind.IGNORED]
        site.netboot(*printed.replace("NAME", "found").split()[1:])
        await_(lambda: client.offer_before(SENTINEL, mac), "the OFFER", SOON)


class TestUnknownMachines:
    @pytest.mark.parametrize(
        ("unknown", "script"),
        [
            ("local", "starting from the local disk"),
            ("menu", "item debian-12"),
            ("debian-12", "hostname=52-54-00-00-03-01"),
        ],
    )
    def test_each_rule_by_environment_with_the_file_named_after_the_command(
        self, lan: Lan, other: Site, client: PxeClient, unknown: str, script: str
    ) -> None:
        env = {**os.environ, "NETBOOT_DHCP_UNKNOWN": unknown}
        command = [*NETBOOT, "serve", "--role", "boot", "--config", str(other.config)]
        program = other.host.start(command, lan.directory / f"{unknown}.log", env=env)
        program.wait_for("ready in", 60)
        client = client.towards(other.host)
        assert client.offer("52:54:00:00:03:01") is not None
        await_(lambda: script in fetch(client, "/ipxe/52:54:00:00:03:01"), "the script")
        program.end()


class TestImages:
    BIG = 32 << 20
    """Bytes; far more than the kernels on both ends hold."""

    def test_a_switched_image_is_served_and_transfers_of_the_old_one_end_well(
        self, images: Path, client: PxeClient
    ) -> None:
        old, new = b"old." * (self.BIG // 4), b"new."
        stock(images, "debian-13", {"linux": b"old", "initrd.gz": old}, "1")
        await_(lambda: fetch(client, "/images/debian-13/linux") == "old", "the first version")
        by_tftp = tftp_blocks(client.host, client.server, b"images/debian-13/initrd.gz")
        begun = next(by_tftp)
        with slow_get(client, "/images/debian-13/initrd.gz") as by_http:
            stock(images, "debian-13", {"linux": b"new", "initrd.gz": new}, "2")
            await_(lambda: fetch(client, "/images/debian-13/linux") == "new", "the new one")
            stock(images, "debian-13", {"linux": b"3", "initrd.gz": new}, "3")  # removes the first
            await_(lambda: fetch(client, "/images/debian-13/linux") == "3", "the third")
            head, _, body = read_all(by_http).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert body == old
        begun += b"".join(next(by_tftp) for _ in range(1000))
        by_tftp.close()
        assert begun == old[: len(begun)]
        assert fetch(client, "/images/debian-13/initrd.gz") == "new."


class TestPathEscapes:
    NAMES = (
        *("../etc/passwd", "../../../../etc/passwd", "images/../../etc/passwd", "/etc/passwd"),
        *("//etc/passwd", "images/ipxe/../../../netboot.db", "images/ipxe/manifest.json"),
        *("images/debian-12/current/linux", "images/debian-12/1/linux", "run/token.key"),
        *("..\\..\\etc\\passwd", "snponly.efi/", "snponly.efi/.", "./snponly.efi", "images", ""),
        *("%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd"),
        *("snponly.efi%00.txt", "node/../run/token.key", "ipxe/../../run/token.key", "a" * 2000),
        *("node/nbt_/../../run/token.key", "file:///etc/passwd", "%c0%ae%c0%ae/etc/passwd"),
    )

    def test_by_http_there_is_nothing_but_4xx(self, client: PxeClient) -> None:
        asked = [("-o/dev/null", f"http://{client.server}:8080/{name}") for name in self.NAMES]
        form = ["curl", "-s", "--path-as-is", "--globoff", "-w", "%{http_code}\\n"]
        got = client.host.run([*form, *(word for pair in asked for word in pair)]).stdout.split()
        assert len(got) == len(asked)
        assert set(got) <= {"400", "404"}, list(zip(got, asked, strict=True))

    @pytest.mark.parametrize("name", [*filter(None, NAMES), "\xff\xfe", "snponly.efi\n", "CON"])
    def test_by_tftp_there_is_nothing_but_error_1(self, client: PxeClient, name: str) -> None:
        with pytest.raises(TftpError) as refused:
            next(tftp_blocks(client.host, client.server, name[:1000].encode("latin-1")))
        assert refused.value.code == 1
        assert "passwd" not in str(refused.value)


class TestOneOfTheTwoIsKilled:
    def test_without_control_machines_are_served_and_no_event_is_lost(
        self, site: Site, client: PxeClient, serving: Program
    ) -> None:
        mac, rounds = "52:54:00:00:04:01", 50
        add(site, "kept", mac)
        await_(lambda: client.offer(mac, seconds=ASK_AGAIN), "the OFFER")
        site.wait_for_event("kept", Kind.OFFER, 60)
        before = len(site.timeline("kept"))
        control = part(serving, "control")
        control.send_signal(signal.SIGKILL)
        for _ in range(rounds):
            assert client.offer(mac) is not None
        serving.wait_for("the control program was ended by signal 9", 60)
        await_(lambda: has_ended(control), "its end")
        await_(lambda: len(site.timeline("kept")) >= before + 2 * rounds, "every event")
        assert len(site.timeline("kept")) == before + 2 * rounds  # and none is doubled
        assert part(serving, "control") != control

    def test_a_killed_boot_program_serves_again_what_it_knew(
        self, client: PxeClient, serving: Program
    ) -> None:
        boot, at = part(serving, "boot"), serving.position
        boot.send_signal(signal.SIGKILL)
        serving.wait_for("the boot program was ended by signal 9", 60, since=at)
        await_(lambda: client.offer(SENTINEL, seconds=0.1), "the OFFER")
        assert b"".join(tftp_blocks(client.host, client.server, b"snponly.efi")) == LOADER
        assert "from the local disk" in fetch(client, f"/ipxe/{SENTINEL}")


class TestOneRoleAlone:
    MAC = "52:54:00:00:05:01"

    def test_boot_alone_serves_what_it_knew_and_learns_when_control_comes(
        self, lan: Lan, other: Site, client: PxeClient
    ) -> None:
        client = client.towards(other.host)
        alone = other.serve("--role", "boot")
        assert client.offer(self.MAC, seconds=0.3) is None
        assert fetch(client, f"/ipxe/{self.MAC}") == ""

        add(other, "alone", self.MAC, "local")  # control is away: the command opens the store
        command = [*NETBOOT, "--config", str(other.config), "serve", "--role", "control"]
        control = other.host.start(command, lan.directory / "control-alone.log")
        await_(lambda: client.offer(self.MAC, seconds=0.1), "the OFFER")
        other.wait_for_event("alone", Kind.OFFER, 60)
        assert control.end() == 0
        assert client.offer(self.MAC) is not None
        assert alone.end() == 0

        alone = other.serve("--role", "boot")
        assert client.offer(self.MAC) is not None
        assert "from the local disk" in fetch(client, f"/ipxe/{self.MAC}")
        assert alone.end() == 0
        assert not (other.data / "run" / "control.sock").exists()


class TestEnd:
    MAC = "52:54:00:00:06:01"

    def test_sigterm_ends_it_soon_with_transfers_under_way_and_leaves_nothing(
        self, other: Site, images: Path, client: PxeClient
    ) -> None:
        client = client.towards(other.host)
        stock(images, "debian-13", {"initrd.gz": bytes(TestImages.BIG)}, "9")
        (other.data / "run").mkdir()
        (other.data / "run" / "snapshot.json").write_text("damaged")
        program = other.serve("--log-format", "json")
        client.offer(self.MAC, seconds=0.1)
        other.wait_for_event(self.MAC, Kind.IGNORED, 60)
        part(program, "control").send_signal(signal.SIGKILL)
        program.wait_for("the control program was ended", 60)
        await_(lambda: accepts(other.data / "run" / "control.sock"), "control")
        by_tftp = tftp_blocks(client.host, client.server, b"snponly.efi")
        next(by_tftp)
        with slow_get(client, "/images/debian-13/initrd.gz"):
            began = time.monotonic()
            program.process.terminate()
            assert program.process.wait(60) == 0
            assert time.monotonic() - began < 15  # a reply under way has time to end
        assert pids(other.host) == set()
        assert list((other.data / "run").glob("*.sock")) == []
        with pytest.raises(TftpError):
            list(by_tftp)
        program.end()
        objects = [json.loads(line) for line in program.text.splitlines()]
        assert all(one.keys() == objects[0].keys() for one in objects)
        said = [one["kind"] for one in objects]
        assert said[:4] == ["message"] * 4
        assert {"discover", "ignored", "unknown", "warning"} < set(said)

    def test_nothing_is_left_of_a_killed_supervisor_and_it_can_be_started_again(
        self, other: Site, client: PxeClient
    ) -> None:
        client = client.towards(other.host)
        add(other, "again", self.MAC)
        program = other.serve()
        parts = [part(program, "boot"), part(program, "control")]
        program.process.kill()
        await_(lambda: all(has_ended(one) for one in parts), "their end")
        program = other.serve()
        # once control has said who is who
        await_(lambda: client.offer(self.MAC, seconds=ASK_AGAIN), "an OFFER")
        began = time.monotonic()
        assert program.end() == 0
        assert time.monotonic() - began < 10
