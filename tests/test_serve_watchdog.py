"""What the real ``netboot serve`` tells systemd, on a LAN of its own."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from netboot import health
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Lan
from netboot.lab.program import Program
from netboot.lab.site import Site
from tests.pxe_peer import stock
from tests.waiting import await_

pytestmark = pytest.mark.root

PERIOD = 1.5
"""Seconds of the watchdog."""
SILENT = PERIOD + health.PATIENCE
"""Seconds in which even a ping that was under way has come."""
MACHINE = ("--mac", "52:54:00:00:00:01", "--profile", "local")


class Manager:
    """systemd's end of the socket: every message as it comes."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.path = path

    def next(self, seconds: float) -> list[str]:
        """The next message's lines; none where no message comes in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return []

    def wait_for(self, line: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while line not in (message := self.next(max(0.01, deadline - time.monotonic()))):
            assert message, f"{line} did not come"

    def silence(self, line: str, seconds: float) -> list[str]:
        """What else comes while ``line`` does not, for so long."""
        deadline, others = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            message = self.next(left)
            assert line not in message
            others += message
        return others


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


@pytest.fixture
def site(lan: Lan) -> Site:
    PlainDhcp(lan, extra=("--no-ping",))
    images = lan.directory / "images"
    stock(images, "ipxe", {"snponly.efi": b"MZ"})
    made = Site(lan, images, "http://mirror.example/debian")
    made.netboot("node", "add", "n1", *MACHINE)
    return made


@pytest.fixture
def serving(site: Site, manager: Manager) -> Program:
    env = {
        **os.environ,
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": str(int(PERIOD * 1_000_000)),
    }
    command = [sys.executable, "-m", "netboot", "--config", str(site.config), "serve"]
    return site.host.start(command, site.lan.directory / "serve.log", env=env)


def part(serving: Program, role: str) -> psutil.Process:
    for process in psutil.Process(serving.process.pid).children(recursive=True):
        if role in process.cmdline():
            return process
    raise AssertionError(role)


def test_ready_is_both_programs_and_pings_are_while_both_answer(
    site: Site, manager: Manager, serving: Program
) -> None:
    manager.wait_for("READY=1", 40)
    assert site.fetch("/healthz").stdout == "ok\n"
    site.netboot("node", "show", "n1")  # control answers
    manager.wait_for("WATCHDOG=1")

    for role in ("boot", "control"):
        frozen = part(serving, role)
        frozen.suspend()
        manager.silence("never", SILENT)  # what was sent before it froze
        told = manager.silence("WATCHDOG=1", 2 * SILENT)
        assert told in ([], [f"STATUS=the {role} program does not answer in time"])
        frozen.resume()
        manager.wait_for("WATCHDOG=1")

    part(serving, "boot").send_signal(signal.SIGKILL)
    manager.wait_for("STATUS=the boot program does not answer (Connection refused)")
    manager.wait_for("WATCHDOG=1")  # it was started again

    serving.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert serving.process.wait(60) == 0


def test_children_are_not_told_where_systemd_listens(manager: Manager, serving: Program) -> None:
    manager.wait_for("READY=1", 40)
    for role in ("boot", "control"):
        environ = part(serving, role).environ()
        assert "PATH" in environ
        assert environ.keys().isdisjoint({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
    await_(lambda: serving.text, "its lines")
