"""Runs a program that an operator named, without a shell, and ends it where it does not end."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Ran(NamedTuple):
    """What became of it.

    Attributes:
        status: as ``subprocess`` has it.
        output: of standard output, and of standard error where that was asked for.
        late: it did not end in time and was killed.
        too_long: it printed more than was allowed and was killed.
    """

    status: int
    output: bytes
    late: bool
    too_long: bool


def run(
    words: Sequence[str], *, seconds: float, most_output: int, with_errors: bool = False
) -> Ran:
    """Run a program to its end.

    Args:
        words: the program and its arguments.
        seconds: after which it and its children are killed.
        most_output: bytes it may print.
        with_errors: whether standard error counts; it is thrown away otherwise.

    Raises:
        OSError: it cannot be run.
        ValueError: a word holds a zero byte.
    """
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if with_errors else subprocess.DEVNULL,
        start_new_session=True,
    )
    with process, _ended_after(process, seconds) as late:
        assert process.stdout is not None  # noqa: S101 -- it is a pipe
        output = process.stdout.read(most_output + 1)
        if too_long := len(output) > most_output:
            _kill(process)
        status = process.wait()
    return Ran(status, output, late.is_set(), too_long)


@contextlib.contextmanager
def _ended_after(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[threading.Event]:
    """Kill the process and its children when it takes too long; the event says it was so."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
