"""The control program as a process: its doors, its lock, its end; and the link through a kill."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from netboot.events import Event, Kind
from netboot.frames import (
    MAX_FROM_CONTROL,
    Ack,
    Batch,
    Counts,
    Feed,
    Hello,
    Message,
    Unpacker,
    pack,
)
from netboot.model import Mac, Node
from netboot.snapshot import Snapshot, decode
from netboot.store.store import Store
from tests.waiting import await_

M1 = Mac("52:54:00:00:00:01")
N1 = {"name": "n1", "macs": [M1], "profile": "debian-12"}
SOON = 5.0
"""Seconds in which a change is pushed; a second where nothing else runs."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """One data folder with its configuration."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.data = folder / "data"
        self.run = self.data / "run"
        self.config = folder / "netboot.toml"
        self.config.write_text(
            f'[server]\ndata_dir = "{self.data}"\n[api]\nlisten = "127.0.0.1:{self.port}"\n'
        )
        self.url = f"sqlite:///{self.data}/netboot.db"

    def start(self) -> "subprocess.Popen[str]":
        """Start a control program; gives it when it listens."""
        process = subprocess.Popen(
            [sys.executable, "-m", "netboot.control", "--config", self.config],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        await_(lambda: process.poll() is not None or self.answers(), "the control program")
        return process

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.run / "control.sock")) == 0

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.run / "control.sock"))
        return httpx.Client(transport=transport, base_url="http://control", timeout=60)

    @contextmanager
    def serving(self) -> Iterator["subprocess.Popen[str]"]:
        process = self.start()
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def asked(store: Store, count: int) -> list[Event]:
    """What the machine asked and got; its life has lines of its own."""
    found = [record.event for record in store.timeline(M1, limit=count + 9)]
    return [event for event in found if event.kind is not Kind.STATE]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.serving():
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.client() as found:
        for node in found.get("/api/v1/nodes").json()["nodes"]:
            found.delete(f"/api/v1/nodes/{node['name']}")
        yield found


class Boot:
    """A boot program's end of the link, spoken by hand."""

    def __init__(self, site: Site, instance: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(site.run / "boot.sock"))
        self.unpacker = Unpacker(MAX_FROM_CONTROL)
        self.waiting: list[Message] = []
        self.say(Hello(instance))

    def say(self, message: Message) -> None:
        self.socket.sendall(pack(message))

    def heard(self) -> Message | None:
        """The next message, None when control has hung up."""
        while not self.waiting:
            if not (data := self.socket.recv(65536)):
                return None
            self.waiting += self.unpacker.feed(data)
        return self.waiting.pop(0)

    def snapshot(self) -> Snapshot:
        while not isinstance(message := self.heard(), Feed):
            assert message is not None
        return decode(bytes(message.snapshot))

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def boot(site: Site) -> Iterator[Boot]:
    found = Boot(site, f"run {time.monotonic_ns()}")
    yield found
    found.close()


class TestDoors:
    def test_each_socket_is_open_to_those_it_is_for(self, site: Site) -> None:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in site.run.iterdir()}
        ours = {"lock": 0o600, "owner": 0o600, "serving": 0o600}
        assert modes == {"boot.sock": 0o600, "control.sock": 0o660, **ours}
        assert stat.S_IMODE(site.data.stat().st_mode) == 0o710

    def test_the_tcp_door_tells_a_stranger_that_we_live_and_nothing_else(self, site: Site) -> None:
        url = f"http://127.0.0.1:{site.port}"
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        for path in ("/api/v1/nodes", "/api/v1/timeline/n1", "/openapi.json", "/docs"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.post(f"{url}/api/v1/nodes", json=N1).status_code == 401

    def test_the_first_token_opens_the_tcp_door(self, site: Site) -> None:
        token = (site.data / "admin.token").read_text().strip()
        url = f"http://127.0.0.1:{site.port}/api/v1/session"
        said = httpx.get(url, headers={"Authorization": f"Bearer {token}"})
        assert said.json() == {"name": "admin", "role": "admin"}

    def test_a_second_one_says_who_is_there(self, site: Site) -> None:
        pid = (site.run / "serving").read_text().strip()
        second = subprocess.run(
            [sys.executable, "-m", "netboot.control", "--config", site.config],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert second.stderr == (
            f"netboot: {site.run / 'serving'}: {site.data} is in use by process {pid}: "
            "netboot runs there already\n"
        )
        assert site.answers()


class TestApi:
    def test_a_node_from_birth_to_end(self, client: httpx.Client) -> None:
        added = client.post("/api/v1/nodes", json=N1 | {"labels": {"rack": "a"}})
        assert added.status_code == 201
        changed = client.patch("/api/v1/nodes/n1", json={"vars": {"k": "v"}})
        assert changed.json() == added.json() | {"vars": {"k": "v"}}
        assert client.get("/api/v1/nodes/n1").json() == changed.json()
        nodes = client.get("/api/v1/nodes", params={"label": "rack=a"}).json()["nodes"]
        assert nodes == [changed.json()]
        assert client.get("/api/v1/nodes", params={"label": "rack=b"}).json() == {"nodes": []}
        assert client.delete("/api/v1/nodes/n1").status_code == 204
        assert client.get("/api/v1/nodes/n1").status_code == 404

    def test_a_group_from_birth_to_end(self, client: httpx.Client) -> None:
        made = client.patch("/api/v1/groups/web", json={"labels": {"a": "b"}, "vars": {"k": "v"}})
        assert made.json() == {
            "name": "web",
            "labels": {"a": "b"},
            "profile": None,
            "vars": {"k": "v"},
            "priority": 0,
        }
        changed = client.patch("/api/v1/groups/web", json={"profile": "local"})
        assert changed.json() == made.json() | {"profile": "local"}
        assert client.get("/api/v1/groups").json() == {"groups": [changed.json()]}
        assert client.get("/api/v1/groups/web").json() == changed.json()
        assert client.delete("/api/v1/groups/web").status_code == 204
        assert client.get("/api/v1/groups").json() == {"groups": []}

    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "key", "detail"),
        [
            ("POST", "nodes", b"{", 422, "", "is not JSON: Input data was truncated"),
            ("POST", "nodes", b"[" * 100_000, 422, "", "is not JSON: "),
            ("POST", "nodes", b"{}", 422, "name", "is missing; must be a host name"),
            ("POST", "nodes", b'{"name":"n1"}', 422, "macs", "node n1 needs a MAC, a UUID"),
            ("POST", "nodes", b'{"name":"n1","serial":"A1"}', 422, "profile", "node n1 has no pro"),
            ("PATCH", "groups/g1", b"{}", 422, "labels", "group g1 needs a label"),
            ("PATCH", "groups/G/1", b"{}", 422, "name", '= "G/1": must be a host name'),
            ("PATCH", "groups/g1", b'{"priority":0.5}', 422, "priority", "= 0.5: must be an int"),
            ("GET", "groups/g9", b"", 404, "", 'no group is called "g9"'),
            ("DELETE", "groups/g9", b"", 404, "", 'no group is called "g9"'),
            ("PATCH", "nodes/n9", b'{"profile":"x"}', 422, "profile", '= "x": must be a known'),
            ("PATCH", "nodes/n9", b"{}", 404, "", 'no node is called "n9"'),
            ("DELETE", "nodes/n9", b"", 404, "", 'no node is called "n9"'),
            ("POST", "nodes:import", b"{}", 422, "", "= a table of 0: must be a list"),
            ("GET", "timeline/n9", b"", 404, "", 'no node is called "n9"'),
            ("GET", "timeline/n9?limit=0", b"", 422, "limit", "Input should be greater than"),
            ("GET", "timeline/n9?after=x", b"", 422, "after", "Input should be a valid integer"),
            ("GET", "nowhere", b"", 404, "Not Found", "Not Found"),
            ("PUT", "nodes", b"", 405, "", "Method Not Allowed"),
        ],
    )
    def test_a_problem_is_problem_json(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: bytes,
        status: int,
        key: str,
        detail: str,
    ) -> None:
        answer = client.request(method, f"/api/v1/{path}", content=body)
        assert answer.headers["content-type"] == "application/problem+json"
        found = answer.json()
        assert (answer.status_code, found["status"]) == (status, status)
        assert found["detail"].startswith(detail)
        assert found["key"] in (key, "")

    def test_a_body_has_a_bound(self, client: httpx.Client) -> None:
        answer = client.post("/api/v1/nodes", content=b" " * (17 * 1024 * 1024))
        assert answer.status_code == 413
        assert client.get("/healthz").is_success


class TestLink:
    def test_a_greeting_is_answered_with_what_is_kept_and_a_snapshot(
        self, client: httpx.Client, boot: Boot
    ) -> None:
        assert boot.heard() == Ack(0)
        assert isinstance(boot.snapshot(), Snapshot)
        assert client.get("/healthz").is_success

    def test_a_change_is_pushed_at_once(self, client: httpx.Client, boot: Boot) -> None:
        before = boot.snapshot().version
        began = time.monotonic()
        client.post("/api/v1/nodes", json=N1)
        while (after := boot.snapshot()).version == before:
            pass
        assert time.monotonic() - began < SOON
        assert after.node_of(M1) == Node("n1", (M1,), "debian-12")

    def test_another_process_s_change_is_pushed_at_once(
        self, site: Site, client: httpx.Client, boot: Boot
    ) -> None:
        assert client.get("/healthz").is_success
        with Store(site.url) as store:
            began = time.monotonic()
            store.add(Node("n1", (M1,), "local"))
            while boot.snapshot().node_of(M1) is None:
                pass
            assert time.monotonic() - began < SOON

    def test_a_batch_is_confirmed_when_it_is_kept_and_wakes_who_waits(
        self, client: httpx.Client, boot: Boot
    ) -> None:
        client.post("/api/v1/nodes", json=N1)
        events = client.get(f"/api/v1/timeline/{M1}").json()["events"]
        last = events[-1]["id"] if events else 0
        batch = [(7, b'{"kind":"offer","mac":"52:54:00:00:00:01","node":"n1","time":1}')]
        boot.say(
            Batch([(seq, msgspec.Raw(raw)) for seq, raw in [*batch, (8, b'{"kind":"newer"}')]])
        )
        path = f"/api/v1/timeline/n1?after={last}&wait=10"
        kinds = [record["event"]["kind"] for record in client.get(path).json()["events"]]
        assert kinds == ["offer", "lost"]
        while (message := boot.heard()) != Ack(8):
            assert message is not None

    def test_what_a_boot_program_counts_is_shown_while_it_is_there(
        self, site: Site, client: httpx.Client
    ) -> None:
        boot = Boot(site, f"run {time.monotonic_ns()}")
        boot.say(Counts({"dhcp: cut off": 2}, {"x64 offered": 3}, 4, {"eth7": "192.0.2.7"}))

        def interfaces() -> Any:
            return client.get("/api/v1/network").json()["interfaces"]

        await_(lambda: interfaces() == {"eth7": "192.0.2.7"}, "the interface")
        scraped = client.get("/metrics").text
        assert 'netboot_dhcp_requests_total{arch="x64",result="offered"} 3.0' in scraped
        assert "netboot_tftp_bytes_total 4.0" in scraped
        boot.close()
        await_(lambda: interfaces() == {}, "its end")

    @pytest.mark.parametrize(
        "noise",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x00\x00\x00\x02{}",
            pack(Ack(1)),
            pack(Hello("again")),
        ],
    )
    def test_noise_ends_that_connection_only(self, site: Site, boot: Boot, noise: bytes) -> None:
        other = Boot(site, "other")
        boot.socket.sendall(noise)
        while boot.heard() is not None:
            pass
        assert other.heard() == Ack(0)
        other.close()


def test_sigterm_ends_it_soon_with_everybody_connected(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.serving() as process:
        boot = Boot(site, "run")
        boot.snapshot()
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(site.run / "control.sock"))
            waiting.sendall(
                f"GET /api/v1/timeline/{M1}?after=0&wait=30 HTTP/1.1\r\nHost: c\r\n\r\n".encode()
            )
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
            assert time.monotonic() - began < 15  # the request would wait for 30
            assert waiting.recv(100).startswith(b"HTTP/1.1 200 OK")
        boot.close()
    token = (site.data / "admin.token").read_text().strip()
    assert process.returncode == 0
    assert len(output.splitlines()) == 1
    assert str(site.data / "admin.token") in output
    assert token not in output
    assert sorted(path.name for path in site.run.iterdir()) == ["lock", "owner", "serving"]
    assert sorted(path.name for path in site.data.iterdir()) == ["admin.token", "netboot.db", "run"]


def test_a_taken_address_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", site.port))
        holder.listen()
        process = site.start()
        ended = process.poll()
        output, _ = process.communicate(timeout=60)
    assert ended == 2, "somebody could reach a program that was about to end"
    holder_text = f"\\(process {os.getpid()}\\)"
    line = f'= "127.0.0.1:{site.port}": cannot listen there: taken by '
    assert line in output
    assert re.search(holder_text, output)
    assert sorted(path.name for path in site.run.iterdir()) == ["lock", "owner", "serving"]


BOOT_PROGRAM = """
import sys
from pathlib import Path
from twisted.internet import reactor, task
from netboot.boot.link import ControlLink
from netboot.events import Event, Kind

run, count = Path(sys.argv[1]), int(sys.argv[2])
told = lambda snapshot: print("snapshot", len(snapshot.nodes), flush=True)
link = ControlLink(reactor, run / "boot.sock", run / "snapshot.json", told)
numbers = iter(range(count))

def send():
    number = next(numbers, None)
    if number is None:
        print("sent", flush=True)
        loop.stop()
    else:
        link.send(Event(Kind.OFFER, "52:54:00:00:00:01", "n1", str(number)))

loop = task.LoopingCall(send)
reactor.addSystemEventTrigger("before", "shutdown", link.stop)
reactor.callWhenRunning(link.start)
loop.start(0.002)
reactor.run()
"""


def test_through_kills_of_control_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    count = 1_000
    site = Site(tmp_path)
    site.run.mkdir(parents=True)
    boot = subprocess.Popen(
        [sys.executable, "-c", BOOT_PROGRAM, site.run, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert boot.stdout is not None
    try:
        for nodes in (1, 2):
            with site.serving() as control:
                with site.client() as client:
                    client.post(
                        "/api/v1/nodes",
                        json=N1 | {"name": f"n{nodes}", "macs": [f"52:54:00:00:00:0{nodes}"]},
                    )
                while boot.stdout.readline() != f"snapshot {nodes}\n":
                    pass
                control.kill()
                control.wait()
        kept = site.run / "snapshot.json"
        await_(lambda: len(decode(kept.read_bytes()).nodes) == 2, "the snapshot on disk")
        with site.serving(), Store(site.url) as store:
            await_(lambda: len(asked(store, count)) >= count, "every event")
            found = asked(store, count)
        assert [event.detail for event in found] == [str(number) for number in range(count)]
        assert {event.kind for event in found} == {Kind.OFFER}
    finally:
        boot.terminate()
        boot.communicate(timeout=60)
    assert boot.returncode == 0


@pytest.mark.root
def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    try:
        site = Site(folder)
        with site.serving(), site.client() as client:
            assert client.post("/api/v1/nodes", json=N1).status_code == 201
            boot = Boot(site, "run")
            boot.snapshot()
            filler = folder / "filler"
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(b"x" * 2 * 1024 * 1024)
            refused = client.post("/api/v1/nodes:import", json=_many(2_000))
            assert refused.status_code == 503
            assert "database or disk is full" in refused.json()["detail"]
            assert [n["name"] for n in client.get("/api/v1/nodes").json()["nodes"]] == ["n1"]
            boot.say(
                Batch([(1, msgspec.Raw(b'{"kind":"offer","mac":"%s","node":"n1"}' % M1.encode()))])
            )
            filler.unlink()
            assert client.post("/api/v1/nodes:import", json=_many(20)).status_code == 200
            while (message := boot.heard()) != Ack(1):
                assert message is not None
            boot.close()
        with Store(site.url) as store:
            assert len(store.list()) == 21
            assert [event.kind for event in asked(store, 1)] == [Kind.OFFER]
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _many(count: int) -> list[dict[str, Any]]:
    return [
        N1
        | {
            "name": f"m{n}",
            "macs": [f"52:54:01:00:{n >> 8:02x}:{n & 255:02x}"],
            "vars": {"pad": "x" * 1000},
        }
        for n in range(count)
    ]
