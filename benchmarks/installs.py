"""Installs of a room of machines at once, each to its call home; the peer is one of them alone.

netboot's control program is a process of its own. Another one has the machines: their BMCs answer
by Redfish on loopback, and what their boots make of events comes over the boot program's link.
"""

import contextlib
import multiprocessing
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import psutil

from benchmarks import ours
from benchmarks.work import Figure, Server, Sides, Size, Work
from netboot.bmc.credentials import Safe
from netboot.events import Event, Kind
from netboot.frames import MAX_FROM_CONTROL, Ack, Batch, Hello, Unpacker, pack
from netboot.job import JobKind, JobState
from netboot.lab.bmc.http import Server as BmcServer
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.model import Node
from netboot.store.bmc_shapes import bmc_change_of
from netboot.store.store import Store

MACHINES = 500
LATENCY = 0.05
"""Seconds that a BMC takes for each request."""
POST = 2.0
"""Seconds from a machine's start to its DISCOVER."""
STEP = 0.2
"""Seconds from one of its steps to the next."""
WITHIN = 600.0
"""Seconds until all must be installed."""
BATCH = 256
"""Events on the link at a time."""

_BOOT: tuple[tuple[Kind, dict[str, str | int]], ...] = (
    (Kind.DISCOVER, {"firmware": "uefi"}),
    (Kind.OFFER, {}),
    (Kind.REQUEST_4011, {}),
    (Kind.ACK_4011, {}),
    (Kind.LOADER, {}),
    (Kind.DISCOVER, {"firmware": "ipxe"}),
    (Kind.OFFER, {}),
    (Kind.SCRIPT, {"image": "debian-13"}),
    (Kind.KERNEL, {}),
    (Kind.INITRD, {}),
    (Kind.PRESEED, {}),
    (Kind.PROGRESS, {"stage": "partition"}),
    (Kind.PROGRESS, {"stage": "base-system"}),
    (Kind.PROGRESS, {"stage": "packages"}),
    (Kind.PROGRESS, {"stage": "late"}),
    (Kind.INSTALLED, {}),
)
"""What an install makes of events."""


class Machines:
    """The machines' side: who is started boots, step by step, and says so on the link."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._due: queue.PriorityQueue[tuple[float, int, int]] = queue.PriorityQueue()

    def start(self, number: int) -> None:
        """A machine begins its POST."""
        self._due.put((time.monotonic() + POST, number, 0))

    def run(self) -> None:
        """Speak on the link, for ever."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self._link))
            link.sendall(pack(Hello("the benchmark")))
            unpacker, sent = Unpacker(MAX_FROM_CONTROL), 0
            while True:
                self._confirmed(link, unpacker, sent)
                events = self._batch()
                raw = [
                    (sent + at, msgspec.Raw(msgspec.json.encode(event)))
                    for at, event in enumerate(events, start=1)
                ]
                sent += len(events)
                link.sendall(pack(Batch(raw)))

    def _batch(self) -> list[Event]:
        """What is due, once something is."""
        events: list[Event] = []
        while len(events) < BATCH:
            try:
                due, number, step = self._due.get(timeout=0.0 if events else None)
            except queue.Empty:
                break
            if due > (now := time.monotonic()):
                self._due.put((due, number, step))
                if events:
                    break
                time.sleep(min(0.02, due - now))
                continue
            kind, data = _BOOT[step]
            data = data | ({"installation": 1} if kind in (Kind.SCRIPT, Kind.INSTALLED) else {})
            events.append(Event(kind, ours.mac(number), _name(number), kind.value, data))
            if step + 1 < len(_BOOT):
                self._due.put((now + STEP, number, step + 1))
        return events

    @staticmethod
    def _confirmed(link: socket.socket, unpacker: Unpacker, sent: int) -> None:
        while chunk := link.recv(1 << 20):
            for message in unpacker.feed(chunk):
                if isinstance(message, Ack) and message.seq >= sent:
                    return
        raise ConnectionError("the control program went")


class _Machine(FakeMachine):
    """Tells that it starts."""

    def __init__(self, number: int, machines: Machines) -> None:
        super().__init__((ours.mac(number),))
        self.is_on = True
        self._number = number
        self._machines = machines

    def _start(self) -> None:
        super()._start()
        self._machines.start(self._number)


def _serve(asked: Connection, count: int, link: Path) -> None:
    """Say the BMCs' ports; begin to speak when told to; end when nobody asks any more."""
    machines = Machines(link)
    with BmcServer() as server, ExitStack() as stack:
        bmcs = [VirtualBmc(_Machine(number, machines), server=server) for number in range(count)]
        for bmc in bmcs:
            bmc.latency = LATENCY
            stack.enter_context(bmc)
        asked.send([bmc.port for bmc in bmcs])
        with contextlib.suppress(EOFError):
            asked.recv()
            threading.Thread(target=machines.run, daemon=True).start()
            while asked.recv():
                asked.send([bmc.resets for bmc in bmcs])


@dataclass(frozen=True, slots=True)
class Room(Server):
    """``count`` machines that are installed at once."""

    count: int = 0


@contextmanager
def _sides(size: Size) -> Iterator[Sides]:
    room = partial(Room, host=None, neighbour=None, address="127.0.0.1", port=0)
    count = size.of(MACHINES)
    yield Sides(room(f"{count} at once", count=count), room("one alone", count=1))


def _measure(server: Server, _size: Size) -> Figure:
    """Seconds from the request to the last call home; processor time of the control program."""
    if not isinstance(server, Room):
        raise TypeError("this is measured on a room of machines")
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="netboot-installs-"))
        stack.callback(shutil.rmtree, folder)
        bmcs = stack.enter_context(_machines(server.count, folder))
        control = stack.enter_context(_control(folder, bmcs.recv()))
        store = stack.enter_context(Store(_url(folder)))
        bmcs.send("speak")
        names = [_name(number) for number in range(server.count)]
        process = psutil.Process(control.pid)
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        jobs = store.submit_all(names, JobKind.INSTALL, "benchmark")
        while store.next_due(time.time()) is not None and time.monotonic() < began + WITHIN:
            time.sleep(0.1)
        seconds = time.monotonic() - began
        cpu = sum(process.cpu_times()[:2]) - cpu
        ended = {job.id: store.job(job.id) for job in jobs}
        print(f"  {server.name}: {_weight(process, folder)}", file=sys.stderr)
        took = sorted(job.ended - job.created for job in ended.values() if job.ended)
        bmcs.send("resets?")
        twice = sum(resets != 1 for resets in bmcs.recv())
        failed = sum(job.state is not JobState.DONE for job in ended.values())
        p99 = took[int(0.99 * (len(took) - 1))] if took else None
        return Figure(seconds, cpu=cpu, p99=p99, failed=failed + twice)


def _weight(control: psutil.Process, folder: Path) -> str:
    """What it took besides time."""
    memory, written = control.memory_info().rss, control.io_counters().write_bytes
    kept = sum(file.stat().st_size for file in (folder / "data").glob("netboot.db*"))
    sizes = (f"{size / 2**20:.0f} MiB" for size in (memory, kept, written))
    return "memory {}, database {}, written to disk {}".format(*sizes)


@contextmanager
def _machines(count: int, folder: Path) -> Iterator[Connection]:
    """The machines in a process of their own: what they cost is not netboot's."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    link = folder / "data/run/boot.sock"
    process = context.Process(target=_serve, args=(there, count, link), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(1.0)
        process.kill()


@contextmanager
def _control(folder: Path, ports: list[int]) -> "Iterator[subprocess.Popen[bytes]]":
    """A control program with a node for each port."""
    (folder / "password").write_text("password")
    with Store(_url(folder)) as store:
        for number, port in enumerate(ports):
            raw = {
                "address": f"redfish+http://127.0.0.1:{port}",
                "user": "admin",
                "password": f"file:{folder}/password",
            }
            bmc = bmc_change_of(raw, _name(number), lambda: Safe(bytes(32)), "benchmark")
            store.add(Node(_name(number), (ours.mac(number),), "debian-13"), bmc=bmc)
    config = folder / "netboot.toml"
    config.write_text(
        f'[server]\ndata_dir = "{folder}/data"\n[api]\nlisten = "127.0.0.1:{_free_port()}"\n'
        "[jobs]\npower_on_per_minute = 10000\npower_on_at_once = 10000\n"
    )
    command = [sys.executable, "-m", "netboot.control", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await_listening(folder)
            yield process
        finally:
            process.terminate()


def _await_listening(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(f"{folder}/data/run/control.sock") == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the control program does not listen")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/data/netboot.db"


def _name(number: int) -> str:
    return f"n{number}"


WORKS = (
    Work(
        "installs",
        f"{MACHINES} machines with BMCs, installed at once: from the request to the last call home",
        "s",
        "none: how it grows from one to many",
        _sides,
        _measure,
        less_is_better=True,
    ),
)
