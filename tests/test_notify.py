"""What systemd is told, and when."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.notify import ASK_AGAIN, ASK_WELL, LONGEST_STATUS, PINGS, Notifier, Watch

SECOND = 1_000_000
"""Microseconds, which WATCHDOG_USEC counts in."""


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0)

    def heard(self) -> list[list[str]]:
        """Every message since the last call, as lines."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def environment(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.socket.getsockname(), **more}


class TestNotifier:
    def test_lines_go_out_as_one_message(self, manager: Manager) -> None:
        Notifier(environment(manager)).send("READY=1", "STATUS=well")
        assert manager.heard() == [["READY=1", "STATUS=well"]]

    def test_an_abstract_address_is_written_with_an_at_sign(self) -> None:
        name = f"netboot-test-{os.getpid()}"
        manager = Manager(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1")
        assert manager.heard() == [["READY=1"]]
        manager.socket.close()

    def test_a_status_is_one_line_and_not_too_long(self, manager: Manager) -> None:
        notifier = Notifier(environment(manager))
        notifier.status("first\nREADY=1")
        notifier.status("x" * 1000)
        assert manager.heard() == [["STATUS=first"], ["STATUS=" + "x" * LONGEST_STATUS]]

    def test_its_variables_are_not_for_children(self, manager: Manager) -> None:
        environ = environment(manager, WATCHDOG_USEC="1", WATCHDOG_PID="1", PATH="/bin")
        Notifier(environ)
        assert environ == {"PATH": "/bin"}

    @pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
    def test_nobody_listening_is_no_error(self, address: str) -> None:
        Notifier({"NOTIFY_SOCKET": address} if address else {}).send("READY=1")

    @pytest.mark.parametrize(
        ("more", "period"),
        [
            ({"WATCHDOG_USEC": str(30 * SECOND)}, 30.0),
            ({"WATCHDOG_USEC": str(30 * SECOND), "WATCHDOG_PID": str(os.getpid())}, 30.0),
            ({"WATCHDOG_USEC": str(30 * SECOND), "WATCHDOG_PID": "1"}, None),  # another process'
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({}, None),
        ],
    )
    def test_the_watchdog_period(
        self, manager: Manager, more: dict[str, str], period: float | None
    ) -> None:
        assert Notifier(environment(manager, **more)).period == period


class TestWatch:
    WELL = "STATUS=answering machines"

    def watch(self, manager: Manager, problem: list[str | None], period: float = 30.0) -> Watch:
        environ = environment(manager, WATCHDOG_USEC=str(int(period * SECOND)))
        return Watch(Notifier(environ), lambda: problem[0])

    def test_ready_is_said_once_and_only_when_all_is_well(self, manager: Manager) -> None:
        problem: list[str | None] = ["the boot program is not ready: no nodes known yet"]
        watch = self.watch(manager, problem)
        watch.look(100.0)
        watch.look(100.0 + ASK_AGAIN)
        assert manager.heard() == [[f"STATUS={problem[0]}"]]
        problem[0] = None
        watch.look(100.0 + 2 * ASK_AGAIN)
        watch.look(200.0)
        watch.look(300.0)
        assert manager.heard() == [["READY=1", self.WELL], ["WATCHDOG=1"], ["WATCHDOG=1"]]

    def test_pings_come_often_enough_to_miss_one(self, manager: Manager) -> None:
        watch = self.watch(manager, [None], period=30.0)
        for tenth in range(600):
            watch.look(100.0 + tenth / 10)
        assert len(manager.heard()) == 60 * PINGS / 30

    def test_while_one_is_not_well_there_is_no_ping(self, manager: Manager) -> None:
        problem: list[str | None] = [None]
        watch = self.watch(manager, problem)
        watch.look(100.0)
        manager.heard()
        problem[0] = "the boot program does not answer in time"
        for second in range(110, 200):
            watch.look(float(second))
        assert manager.heard() == [[f"STATUS={problem[0]}"]]
        problem[0] = None
        watch.look(200.0)
        assert manager.heard() == [["WATCHDOG=1", self.WELL]]

    def test_without_a_watchdog_they_are_asked_for_the_status_alone(self, manager: Manager) -> None:
        asked = []
        watch = Watch(Notifier(environment(manager)), lambda: asked.append(1))
        for second in range(100):
            watch.look(float(second))
        assert len(asked) == 100 / ASK_WELL

    def test_with_nobody_listening_nobody_is_asked(self) -> None:
        def asked() -> str | None:
            raise AssertionError

        Watch(Notifier({}), asked).look(100.0)

    def test_stopping(self, manager: Manager) -> None:
        self.watch(manager, [None]).stopping()
        assert manager.heard() == [["STOPPING=1", "STATUS=stopping"]]
