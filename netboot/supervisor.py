"""Keeps the two programs running: starts them, starts them again, ends them together.

A program whose very first run ends with exit code 2 was told something wrong (a held port, a bad
setting): that is for the person who just started us, so everything stops with it. Any other end
is bad luck, and machines may be served meanwhile: the program is started again, at once the first
time and ever more slowly if it keeps ending.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from netboot.notify import Watch

EXIT_USAGE = 2
BACKOFF = (0.1, 0.4, 1.6, 6.4, 10.0)
"""Seconds until a program that keeps ending is started again; the last one from then on."""
HEALTHY_AFTER = 30.0
"""A program that ran this long starts again at once when it ends."""
LOOK_EVERY = 0.1
"""Seconds between two looks at whether they still run."""
STOP_PATIENCE = 5.0
"""Seconds a program has to end by itself after SIGTERM."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


@dataclass(slots=True)
class Program:
    """One of the programs.

    Attributes:
        name: what lines about it call it.
        command: argument list.
        starts: how often it was started.
        failures: how often it ended since it last ran for ``HEALTHY_AFTER``.
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started: float = 0.0
    failures: int = 0
    again_at: float = 0.0

    def start(self, now: float) -> None:
        """Start it; its output is ours."""
        self.process = subprocess.Popen(self.command)
        self.starts += 1
        self.started = now

    def ended(self, now: float) -> int | None:
        """Its exit code if it has ended since the last look; then it is due again after a wait."""
        code = None if self.process is None else self.process.poll()
        if code is not None:
            self.process = None
            self.failures = 1 if now - self.started > HEALTHY_AFTER else self.failures + 1
            self.again_at = now + BACKOFF[min(self.failures, len(BACKOFF)) - 1]
        return code


class Supervisor:
    """Runs programs until SIGTERM or SIGINT, or until one's first run ends with a usage error.

    Args:
        programs: what to run.
        say: takes one line for a person.
        watch: tells the service manager how they are.
    """

    def __init__(
        self, programs: Sequence[Program], say: Callable[[str], None], watch: Watch | None = None
    ) -> None:
        self._programs = programs
        self._say = say
        self._watch = watch
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; the exit code for the whole command."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        exit_code = 0
        while not self._stopping:
            now = time.monotonic()
            for program in self._programs:
                if program.process is None and now >= program.again_at:
                    program.start(now)
            time.sleep(LOOK_EVERY)
            exit_code = self._look(time.monotonic())
            if self._watch and not self._stopping:
                self._watch.look(time.monotonic())
        if self._watch:
            self._watch.stopping()
        self._stop()
        return exit_code

    def _look(self, now: float) -> int:
        for program in self._programs:
            code = program.ended(now)
            if code is None or self._stopping:
                continue
            if code == EXIT_USAGE and program.starts == 1:
                self._stopping = True
                return EXIT_USAGE
            wait = program.again_at - now
            self._say(f"the {program.name} program {_ending(code)}; again in {wait:.1f} s")
        return 0

    def _stop(self) -> None:
        """End them in reverse: the boot program hands its last events to control first."""
        for program in reversed(self._programs):
            if program.process is None:
                continue
            program.process.terminate()
            try:
                program.process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                program.process.kill()
                program.process.wait()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def command_for(role: str, arguments: Sequence[str]) -> list[str]:
    """The argument list that starts one program of this very installation."""
    ours = [sys.executable, "-m", "netboot", "serve", "--role", role]
    return [*ours, "--supervisor", str(os.getpid()), *arguments]


def end_with(supervisor: int) -> None:
    """Make the kernel send us SIGTERM when our parent is gone, however it went (prctl(2)).

    Args:
        supervisor: the parent's process id; where it is gone already, we end here.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        sys.exit(0)


def call_ourselves(name: str) -> None:
    """Be ``name`` in process lists and in messages about who holds a port; 15 bytes at most."""
    _prctl(_PR_SET_NAME, name.encode())


def _prctl(operation: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(operation, value, 0, 0, 0)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"
