"""A child process whose output is kept, bounded, and can be awaited.

One thread per process reads the pipe, so a chatty child never blocks; the raw bytes go to a log
file, the text without terminal escapes stays in memory. Waiting is for a pattern in that text:
nobody polls a file, nobody sleeps.
"""

import codecs
import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from netboot.errors import OperationError

KEPT_TEXT = 1 << 20
"""Characters of output kept in memory; the oldest go first."""
LONGEST_LOG = 32 << 20
"""Bytes of output written to the log file; the rest is only kept in memory."""
GRACE = 10.0
"""Seconds a process has between SIGTERM and SIGKILL; it may have children to end first."""
TAIL_LINES = 12
"""Lines of output shown with an error."""

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78cM])")
_PARTIAL_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[()]?)\Z")


class Program:
    """A running process and everything it has said.

    Args:
        process: its standard output is a pipe.
        log: file the raw bytes are appended to.
        name: what errors call it.
        on_line: called with each whole line, in the reading thread.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: Path,
        *,
        name: str,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        if process.stdout is None:
            raise ValueError("the process was not started with stdout=PIPE")
        self.process = process
        self.log = log
        self.name = name
        self._on_line = on_line
        self._text = ""
        self._dropped = 0
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(
            target=self._read, args=(process.stdout,), name=f"output of {process.pid}", daemon=True
        )
        self._reader.start()

    @property
    def text(self) -> str:
        """What it said, without terminal escapes; at most the last ``KEPT_TEXT`` characters."""
        with self._changed:
            return self._text

    @property
    def position(self) -> int:
        """How many characters it has said so far; what ``since`` of the other calls counts in."""
        with self._changed:
            return self._dropped + len(self._text)

    @property
    def cpu_seconds(self) -> float:
        """What it has used of the CPU (proc(5), utime and stime).

        Raises:
            OperationError: it has ended.
        """
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8", "replace")
        except FileNotFoundError:
            raise OperationError(f"{self.name} has ended") from None
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def text_since(self, position: int) -> str:
        """What it said after ``position``."""
        with self._changed:
            return self._text[max(0, position - self._dropped) :]

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Its last lines that are not blank."""
        return "\n".join([line for line in self.text.splitlines() if line.strip()][-lines:])

    def wait_for(
        self, pattern: str, timeout: float, *, since: int = 0, flags: re.RegexFlag = re.MULTILINE
    ) -> re.Match[str]:
        """Wait until ``pattern`` stands in the output.

        Args:
            pattern: a regular expression, searched anywhere.
            timeout: seconds.
            since: a ``position``; output before it does not count.
            flags: flags of the expression.

        Raises:
            OperationError: it did not come in time, or the process ended without saying it; the
                text has the last lines of output.
        """
        wanted = re.compile(pattern, flags)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                if found := wanted.search(self._text, max(0, since - self._dropped)):
                    return found
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        why = f"ended ({self._status()})" if self._ended else f"did not say it in {timeout:.0f} s"
        raise OperationError(
            f"waiting for {pattern!r}: {self.name} {why}; its last lines:\n{self.tail()}"
        )

    def end(self, grace: float = GRACE) -> int:
        """SIGTERM, after ``grace`` seconds SIGKILL; the exit status. Calling it twice is fine."""
        end_process(self.process, grace)
        self._reader.join(GRACE)  # the pipe stays open while a grandchild holds it
        return self.process.wait()

    def _status(self) -> int | None:
        """The exit status of a process that has closed its output, None if it lives on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0)
        return None

    def _read(self, pipe: BinaryIO) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        written, pending, line = 0, "", ""
        with self.log.open("ab", buffering=0) as log, pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                if written < LONGEST_LOG:
                    written += log.write(chunk)
                raw = pending + decoder.decode(chunk)
                cut = _PARTIAL_ESCAPE.search(raw)
                pending = raw[cut.start() :] if cut else ""
                said = _ESCAPE.sub("", raw[: cut.start()] if cut else raw)
                self._keep(said)
                if self._on_line:
                    *whole, line = (line + said).split("\n")
                    for each in whole:
                        self._on_line(each.rstrip("\r"))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _keep(self, said: str) -> None:
        with self._changed:
            self._text += said
            if (over := len(self._text) - KEPT_TEXT) > 0:
                self._text = self._text[over:]
                self._dropped += over
            self._changed.notify_all()


def end_process(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """SIGTERM, after ``grace`` seconds SIGKILL, and collect it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
