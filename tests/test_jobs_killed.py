"""SIGKILL at every commit and every BMC request of an install, and at moments nobody chose.

The control program is the real one, the BMC is the lab's virtual one, and the test plays the
machine: it speaks as a boot program on the link. After each kill the program is started again, and
the install must end ``installed`` with the machine reset exactly once.

``KILLS=200`` in the environment makes it that many random kills, and no kill point is left out.
"""

import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from netboot.events import Event, Kind
from netboot.frames import MAX_FROM_CONTROL, Ack, Batch, Hello, Unpacker, pack
from netboot.job import JobKind, JobState
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.model import Mac, Node, State
from netboot.store.bmc_shapes import bmc_change_of
from netboot.store.store import Store
from tests.killed_control import AtCommit, run

MAC = Mac("52:54:00:00:00:01")
KILLS = int(os.environ.get("KILLS", "0"))
RANDOM = KILLS or 3
"""Random kills, of the program as it is started by a command."""
POINTS = None if KILLS else 8
"""Kill points of each kind that are tried, evenly spread; None for all."""
FEW_POINTS = None if KILLS else 5
"""The same of an install by a deploy template, where only what is between its steps is new."""
TEMPLATE = """
[match]
labels = { role = "compute" }
[[steps]]
do = "bios"
attributes = { ProcVirtualization = "Disabled" }
[[steps]]
do = "install"
[[steps]]
do = "power"
action = "off"
"""
PATIENCE = 120.0
"""Seconds an install may take here; some two where nothing else runs."""
EMPTY = "empty.db"
"""A store with nothing in it, in the folder of all sites of a test: migrations run in no thread."""
BOOT: tuple[tuple[Kind, dict[str, str | int]], ...] = (
    (Kind.DISCOVER, {"firmware": "uefi"}),
    (Kind.SCRIPT, {"image": "debian-12", "installation": 1}),
    (Kind.PRESEED, {}),
    (Kind.INSTALLED, {"installation": 1}),
)
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.killed_control"])


class Machine(FakeMachine):
    """Boots from the network when it is started, and says so over ``link``."""

    def __init__(self) -> None:
        super().__init__([MAC])
        self.is_on = True
        self.resets = 0
        self.link: Link | None = None

    def _start(self) -> None:
        super()._start()
        self.resets += 1
        if self.link is not None and self.boots[-1] == "network":
            self.link.boot()


class Link(threading.Thread):
    """The boot program's end of the link: what control has not confirmed is sent again.

    A machine is slow: each event comes when the job waits, and so wakes a turn of its own.
    """

    def __init__(self, path: Path, waits: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._waits = waits
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._over = False

    def boot(self) -> None:
        with self._changed:
            self._events += [Event(kind, MAC, "n1", kind.value, data) for kind, data in BOOT]
            self._changed.notify_all()

    def close(self) -> None:
        self._over = True
        with self._changed:
            self._changed.notify_all()
        self.join()

    def run(self) -> None:
        while not self._over:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(1.0)
                try:
                    link.connect(str(self._path))
                    self._speak(link)
                except OSError:
                    time.sleep(0.01)

    def _speak(self, link: socket.socket) -> None:
        unpacker = Unpacker(MAX_FROM_CONTROL)
        link.sendall(pack(Hello("the only run")))
        while not self._over:
            acked = _next_ack(link, unpacker)
            event = self._next(acked)
            batch = [] if event is None else [(acked + 1, msgspec.Raw(msgspec.json.encode(event)))]
            link.sendall(pack(Batch(batch)))

    def _next(self, acked: int) -> Event | None:
        """The event after the one that is confirmed, once its time has come; None: not yet."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._events) > acked, 0.2)
            event = self._events[acked] if len(self._events) > acked else None
        deadline = time.monotonic() + 0.2
        while event is not None and not self._waits():
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.005)
        return event


def _next_ack(link: socket.socket, unpacker: Unpacker) -> int:
    while True:
        if not (data := link.recv(65536)):
            raise ConnectionError
        for message in unpacker.feed(data):
            if isinstance(message, Ack):
                return message.seq


@dataclass(frozen=True)
class AtRequest:
    """Where control dies: at BMC request ``number``, before or after the BMC has acted on it."""

    number: int
    after: bool


class Bmc(VirtualBmc):
    """Kills whoever makes a certain request."""

    def __init__(self, machine: Machine, at: AtRequest | None) -> None:
        super().__init__(machine)
        self.requests = 0
        self._at = at
        self.kill: Callable[[], None] = lambda: None

    async def _answer(self, request: Request) -> Reply | None:
        self.requests += 1
        here = self._at is not None and self.requests == self._at.number
        if here and self._at and not self._at.after:
            self.kill()
            return None
        reply = await super()._answer(request)
        if here:
            self.kill()
        return reply


class Site:
    """A data folder with one node to install, its BMC and its machine."""

    def __init__(self, folder: Path, at: AtRequest | None = None, *, deploy: bool = False) -> None:
        self.folder = folder
        self.deploy = deploy
        self.machine = Machine()
        self.bmc = Bmc(self.machine, at)
        self.bmc.start()
        self.url = f"sqlite:///{folder}/data/netboot.db"
        (folder / "netboot.toml").write_text(
            f'[server]\ndata_dir = "{folder}/data"\ntemplates = ["{folder}"]\n'
            f'[api]\nlisten = "127.0.0.1:{_free_port()}"\n[syslog]\nlisten = false\n'
        )
        self.store = self._submit()
        self.link = self.machine.link = Link(folder / "data/run/boot.sock", self._waits)
        self.link.start()

    def _waits(self) -> bool:
        job = self.store.job(1)
        return job.owner is None and job.stage != ""

    def _submit(self) -> Store:
        (self.folder / "password").write_text("password")
        (self.folder / "deploy").mkdir()
        (self.folder / "deploy/compute.toml").write_text(TEMPLATE)
        (self.folder / "data").mkdir(mode=0o710)
        shutil.copy(self.folder.parent / EMPTY, self.folder / "data/netboot.db")
        address = self.bmc.url.replace("http://", "redfish+http://")
        raw = {"address": address, "user": "admin", "password": f"file:{self.folder}/password"}
        change = bmc_change_of(raw, "n1", lambda: None, "test")  # type: ignore[arg-type,return-value]
        store = Store(self.url)
        labels = {"role": "compute"} if self.deploy else {}
        store.add(Node("n1", (MAC,), "debian-12", labels), bmc=change)
        store.submit("n1", JobKind.INSTALL, "alice")
        return store

    def close(self) -> None:
        self.link.close()
        self.bmc.stop()
        self.store.close()

    @property
    def ended(self) -> bool:
        return self.store.job(1).state.ended

    @property
    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"{self.folder}/data/run/control.sock") == 0

    @property
    def log(self) -> str:
        return f"{self.store.job(1)}\n{(self.folder / 'control.log').read_text()}"

    def judge(self) -> None:
        """The install has ended well, and nothing was done twice."""
        job, node = self.store.job(1), self.store.get("n1")
        events = [record.event for record in self.store.timeline("n1")]
        steps = ", and all 3 steps of compute are done" if self.deploy else ""
        assert (job.state, job.outcome) == (JobState.DONE, f"it called home{steps}")
        assert node.state is State.INSTALLED
        intents = [event for event in events if event.detail.endswith("is asked for")]
        resets = self.bmc.resets
        restarts = 2 if self.deploy else 1
        assert self.machine.resets == restarts, [event.detail for event in events]
        assert self.machine.is_on is not self.deploy
        done = [event for event in events if event.data.get("came") == "step"]
        assert len(done) == (3 if self.deploy else 0), [event.detail for event in events]
        assert 1 <= resets <= len(intents)
        ends = [event for event in events if event.data.get("came") == "done"]
        assert len(ends) == 1
        assert [event.kind for event in events if event.kind in dict(BOOT)] == list(dict(BOOT))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def made(sites: Path, at: AtRequest | None = None, *, deploy: bool = False) -> Iterator[Site]:
    """A site in a folder of its own, which goes where all went well."""
    folder = sites / f"{threading.get_ident()}-{time.monotonic_ns()}"
    folder.mkdir()
    site = Site(folder, at, deploy=deploy)
    try:
        yield site
    finally:
        site.close()
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Took:
    """How many commits and BMC requests an install took, and how many control programs."""

    commits: int
    requests: int
    lives: int


def install(folder: Path, at: AtCommit | AtRequest | None, *, deploy: bool = False) -> Took:
    """An install whose control program dies at ``at``."""
    with made(folder, at if isinstance(at, AtRequest) else None, deploy=deploy) as site:
        commits = FORK.Value("i", 0)
        dies: AtCommit | None = at if isinstance(at, AtCommit) else None
        deadline, lives = time.monotonic() + PATIENCE, 0
        while not site.ended:
            lives += 1
            process = FORK.Process(target=run, args=(site.folder, commits, dies))
            process.start()
            site.bmc.kill = process.kill
            try:
                while process.is_alive() and not site.ended:
                    assert time.monotonic() < deadline, site.log
                    process.join(0.02)
            finally:
                process.kill()
                process.join()
            dies = None
        site.judge()
        return Took(commits.value, site.bmc.requests, lives)


def install_while_killed(folder: Path, seed: int, most: int) -> int:
    """An install by ``netboot serve``, which is killed up to ``most`` times; how often it was."""
    pauses, kills = random.Random(seed), 0  # noqa: S311 -- a test's
    with made(folder) as site, (site.folder / "control.log").open("w") as log:
        command = [sys.executable, "-m", "netboot", "serve", "--role", "control", "--config"]
        command.append(str(site.folder / "netboot.toml"))
        deadline = time.monotonic() + PATIENCE
        while not site.ended:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                while not site.listens and not site.ended:
                    _goes_on(site, process, deadline)
                dies = time.monotonic() + pauses.uniform(0.0, 1.0) if kills < most else deadline
                while time.monotonic() < dies and not site.ended:
                    _goes_on(site, process, deadline)
                kills += not site.ended
            finally:
                process.kill()
                process.wait()
        site.judge()
    return kills


def _goes_on(site: Site, process: "subprocess.Popen[bytes]", deadline: float) -> None:
    """Nothing is wrong yet; wait a little."""
    assert time.monotonic() < deadline, site.log
    assert process.poll() is None, site.log
    time.sleep(0.01)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sites")
    Store(f"sqlite:///{folder / EMPTY}").close()
    return folder


@pytest.fixture(scope="module")
def clean(sites: Path) -> Took:
    """How many commits and BMC requests an install takes that nobody disturbs."""
    return install(sites, None)


def spread(count: int, points: int | None = POINTS) -> list[int]:
    """Numbers from 1 to ``count``: all of them, or ``points`` evenly spread."""
    if points is None or count <= points:
        return list(range(1, count + 1))
    return sorted({1 + round(at * (count - 1) / (points - 1)) for at in range(points)})


def each(folder: Path, points: Sequence[AtCommit | AtRequest], *, deploy: bool = False) -> None:
    """An install for each kill point, two at a time."""
    killed = 0
    with ThreadPoolExecutor(2) as pool:
        begun = [(one, pool.submit(install, folder, one, deploy=deploy)) for one in points]
        for point, done in begun:
            try:
                killed += done.result().lives > 1
            except AssertionError as error:
                raise AssertionError(f"killed at {point}: {error}") from error
    assert killed >= len(points) - 4  # some runs get by with a commit or two less than the first


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_a_commit_it_goes_on(sites: Path, clean: Took, *, after: bool) -> None:
    assert clean.commits > 20
    each(sites, [AtCommit(number, after) for number in spread(clean.commits)])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_a_request_to_the_bmc_it_goes_on(
    sites: Path, clean: Took, *, after: bool
) -> None:
    assert clean.requests > 10
    each(sites, [AtRequest(number, after) for number in spread(clean.requests)])


def test_killed_between_the_steps_of_a_deploy_template_it_goes_on(sites: Path) -> None:
    took = install(sites, None, deploy=True)
    commits = [AtCommit(number, after=True) for number in spread(took.commits, FEW_POINTS)]
    requests = [AtRequest(number, after=True) for number in spread(took.requests, FEW_POINTS)]
    each(sites, [*commits, *requests], deploy=True)


@pytest.mark.timeout(600 + 60 * RANDOM)
def test_killed_at_moments_nobody_chose_it_goes_on(sites: Path) -> None:
    """``netboot serve`` itself, by a command, with all its patience."""
    kills = 0
    for seed in range(1000):
        if kills >= RANDOM:
            break
        kills += install_while_killed(sites, seed, min(4, RANDOM - kills))
    assert kills >= RANDOM
