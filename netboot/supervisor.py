"""Keeps the two programs running: starts them, starts them again, ends them together.

A program that ends with exit code 2 was told something wrong (a held port, a bad setting): that
is for a person, so everything stops with it. Any other end is bad luck: it is started again, at
once the first time and ever more slowly if it keeps ending.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

EXIT_USAGE = 2
LONGEST_BACKOFF = 10.0
"""Seconds between two starts of a program that keeps ending."""
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
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    again_at: float = field(default=0.0)

    def start(self, now: float) -> None:
        """Start it; its output is ours."""
        self.process = subprocess.Popen(self.command)
        self.started = now

    def ended(self, now: float) -> int | None:
        """Its exit code if it has ended since the last look; then it is due again after a wait."""
        code = None if self.process is None else self.process.poll()
        if code is not None:
            self.process = None
            self.failures = 0 if now - self.started > HEALTHY_AFTER else self.failures + 1
            self.again_at = now + min(LONGEST_BACKOFF, 0.1 * 4 ** (self.failures - 1))
        return code


class Supervisor:
    """Runs programs until SIGTERM or SIGINT, or until one ends with a usage error.

    Args:
        programs: what to run.
        say: takes one line for a person.
    """

    def __init__(self, programs: Sequence[Program], say: Callable[[str], None]) -> None:
        self._programs = programs
        self._say = say
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
        self._stop()
        return exit_code

    def _look(self, now: float) -> int:
        for program in self._programs:
            code = program.ended(now)
            if code is None or self._stopping:
                continue
            if code == EXIT_USAGE:
                self._stopping = True
                return EXIT_USAGE
            self._say(f"the {program.name} program {_ending(code)}; starting it again")
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
    return [sys.executable, "-m", "netboot", "serve", "--role", role, "--supervised", *arguments]


def end_with_parent() -> None:
    """Make the kernel send us SIGTERM when the supervisor is gone, however it went (prctl(2))."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


def call_ourselves(name: str) -> None:
    """Be ``name`` in process lists and in messages about who holds a port; 15 bytes at most."""
    _prctl(_PR_SET_NAME, name.encode())


def _prctl(operation: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(operation, value, 0, 0, 0)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
