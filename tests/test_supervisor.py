"""Two programs are kept running, started again with patience, and ended together."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from netboot.supervisor import BACKOFF, HEALTHY_AFTER, LOOK_EVERY, Program, command_for
from tests.waiting import await_

SUPERVISE = """
import sys
from netboot import supervisor
from netboot.supervisor import Program, Supervisor

supervisor.STOP_PATIENCE = 0.5
named = (argument.split("=", 1) for argument in sys.argv[1:])
programs = [Program(name, ["sh", "-c", command]) for name, command in named]
sys.exit(Supervisor(programs, lambda line: print(line, flush=True)).run())
"""
FOR_EVER = "exec sleep 60"

Supervise = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    started = []

    def start(**programs: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", SUPERVISE, *(f"{n}={c}" for n, c in programs.items())]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


def children(process: "subprocess.Popen[str]", count: int) -> list[psutil.Process]:
    """Its programs, once there are so many."""

    def found() -> list[psutil.Process]:
        now: list[psutil.Process] = psutil.Process(process.pid).children()
        return now if len(now) == count else []

    running: list[psutil.Process] = await_(found, f"{count} programs")
    return running


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class TestBackoff:
    class Ended:
        """A process that has."""

        def poll(self) -> int:
            return 1

    def end(self, program: Program, *, ran: float, now: float = 1000.0) -> float:
        """Have it end after ``ran`` seconds; gives how long it then waits."""
        program.process = self.Ended()  # type: ignore[assignment]
        program.started = now - ran
        assert program.ended(now) == 1
        assert program.process is None
        return round(program.again_at - now, 3)

    def test_a_program_that_keeps_ending_waits_ever_longer_and_never_longer_than_that(self) -> None:
        program = Program("p", [])
        waits = [self.end(program, ran=1.0) for _ in range(2000)]
        assert waits[:6] == [0.1, 0.4, 1.6, 6.4, 10.0, 10.0]
        assert set(waits[5:]) == {BACKOFF[-1]}

    def test_one_that_ran_well_starts_again_at_once(self) -> None:
        program = Program("p", [])
        for _ in range(9):
            self.end(program, ran=1.0)
        assert self.end(program, ran=HEALTHY_AFTER + 1) == BACKOFF[0]

    def test_one_that_runs_has_not_ended(self) -> None:
        assert Program("p", []).ended(1.0) is None


def test_each_start_of_a_crash_loop_is_later_than_its_wait(
    supervise: Supervise, tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    process = supervise(bad=f"date +%s.%N >> {log}; exit 7", good=FOR_EVER)
    starts = await_(
        lambda: log.exists() and len(found := log.read_text().split()) >= 3 and found, "3 starts"
    )
    gaps = [float(b) - float(a) for a, b in pairwise(starts)]
    assert all(gap >= wait for gap, wait in zip(gaps, BACKOFF, strict=False))
    assert gaps[0] < BACKOFF[0] + 5 * LOOK_EVERY
    assert process.stdout is not None
    assert process.stdout.readline() == "the bad program ended with exit code 7; again in 0.1 s\n"
    assert len(psutil.Process(process.pid).children()) in (1, 2)  # the other one never noticed


def test_a_usage_error_at_the_first_start_ends_everything(supervise: Supervise) -> None:
    process = supervise(good=FOR_EVER, bad="sleep 0.5; exit 2")
    good = children(process, 2)[0]
    assert process.wait(60) == 2
    assert not good.is_running()
    assert process.stdout is not None
    assert process.stdout.read() == ""  # the program itself has said what is wrong


def test_a_usage_error_later_on_does_not_stop_those_who_serve(
    supervise: Supervise, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    process = supervise(
        good=FOR_EVER,
        bad=f"test -e {mark}.2 && {FOR_EVER}; test -e {mark} && touch {mark}.2 && exit 2;"
        f" touch {mark}; exit 1",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "the bad program ended with exit code 1; again in 0.1 s\n"
    assert process.stdout.readline() == "the bad program ended with exit code 2; again in 0.4 s\n"
    children(process, 2)
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGRTMIN + 2])
def test_a_killed_program_is_started_again_and_said(
    supervise: Supervise, number: signal.Signals
) -> None:
    process = supervise(one=FOR_EVER)
    [before] = children(process, 1)
    before.send_signal(number)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert re.fullmatch(
        rf"the one program was ended by signal {number:d} \(.+\); again in .*\n", line
    )
    [after] = children(process, 1)
    assert after != before


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_last_one_ends_first_and_all_is_well(
        self, supervise: Supervise, tmp_path: Path, number: signal.Signals
    ) -> None:
        log = tmp_path / "ended"
        program = "trap 'echo {0} >> %s; exit 0' TERM; echo up >> %s; while :; do sleep 0.05; done"
        program %= (log, log)
        process = supervise(control=program.format("control"), boot=program.format("boot"))
        await_(lambda: log.exists() and log.read_text() == "up\nup\n", "both programs")
        process.send_signal(number)
        assert process.wait(60) == 0
        assert log.read_text() == "up\nup\nboot\ncontrol\n"

    def test_one_that_will_not_end_is_killed(self, supervise: Supervise, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        process = supervise(
            stuck=f"trap '' TERM; touch {mark}; while :; do sleep 0.05; done", good=FOR_EVER
        )
        await_(mark.exists, "the stuck program")
        running = children(process, 2)
        began = time.monotonic()
        process.terminate()
        assert process.wait(60) == 0
        assert 0.5 <= time.monotonic() - began < 10
        assert not any(program.is_running() for program in running)

    def test_nothing_is_left_of_a_killed_supervisor(self, supervise: Supervise) -> None:
        program = (
            f"exec {sys.executable} -c 'import os, time; from netboot.supervisor import end_with;"
            ' end_with(os.getppid()); open("/proc/self/comm", "w").write("tied");'
            " time.sleep(60)'"
        )
        process = supervise(one=program, two=program)
        await_(lambda: [p.name() for p in children(process, 2)] == ["tied"] * 2, "both programs")
        programs = children(process, 2)
        process.kill()
        await_(lambda: all(has_ended(program) for program in programs), "their end")

    def test_a_program_whose_supervisor_is_gone_before_it_could_ask_ends_at_once(self) -> None:
        nobody = subprocess.Popen(["true"])
        nobody.wait()
        code = (
            f"from netboot.supervisor import end_with; end_with({nobody.pid}); raise SystemExit(9)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_programs_are_of_this_very_installation() -> None:
    command = command_for("boot", ["--log-format", "json"])
    assert command[:3] == [sys.executable, "-m", "netboot"]
    assert command[3:] == [
        *("serve", "--role", "boot", "--supervisor", str(os.getpid()), "--log-format", "json")
    ]
