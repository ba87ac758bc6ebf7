"""Runs a program that must not outlive us, and keeps the caller informed meanwhile.

The child gets a session of its own, so that Ctrl-C reaches us alone and we end it in order,
and the kernel's parent-death signal, so that it goes even when we are killed: an apt left
behind would hold its locks and write into a folder the next fetch uses. The signal is SIGTERM to
all of the session, because only on that one do apt's network methods date a file that is cut off
as the server dated it, without which nothing can be resumed (If-Range, RFC 9110 section 13.1.5).
"""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netboot.errors import OperationError

_TICK = 0.1
"""Seconds between two looks at how far it is."""
_GRACE = 3.0
"""Seconds a program has to end after it was asked to."""
_LONGEST_OUTPUT = 1 << 16
"""Bytes of output that are read back, from its end."""
_TO_ALL = 'trap "trap - TERM; kill 0" TERM; "$@" & wait $!'
"""Shell: run the arguments; a SIGTERM goes to every process of the group."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left."""

    code: int
    output: str
    errors: str


def tied(command: Sequence[str]) -> list[str]:
    """Return the command so that it ends when the thread that starts it is gone.

    It must be started in a session of its own: the end of one is the end of all in its group.
    """
    return ["setpriv", "--pdeathsig", "TERM", "--", "sh", "-c", _TO_ALL, "sh", *command]


def run(
    command: Sequence[str],
    *,
    tick: Callable[[], None],
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end.

    Args:
        command: a program of PATH and its arguments.
        tick: called at the start, at the end and about ten times a second between; what it
            raises ends the program.
        cwd: the folder it runs in.
        env: variables added to our own environment.

    Raises:
        OperationError: the program is not there.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                tied(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C", **(env or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise OperationError(f"{error.filename} is not installed (util-linux)") from None
        try:
            with _ending(child) as ended:
                tick()
                while not ended():
                    tick()
                tick()
        finally:
            end(child)
        return Finished(child.returncode, _tail(output.fileno()), _tail(errors.fileno()))


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child and all it started, first by asking; nothing where it has ended."""
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        if child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)


@contextlib.contextmanager
def _ending(child: subprocess.Popen[bytes]) -> Iterator[Callable[[], bool]]:
    """Lend a question, "has it ended?", that is answered at once or after a tick."""
    handle = os.pidfd_open(child.pid)
    try:
        yield lambda: bool(select.select([handle], [], [], _TICK)[0])
    finally:
        os.close(handle)


def _tail(handle: int) -> str:
    start = max(0, os.fstat(handle).st_size - _LONGEST_OUTPUT)
    return os.pread(handle, _LONGEST_OUTPUT, start).decode("utf-8", "replace")
