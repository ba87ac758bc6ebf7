"""One owner of a data folder at a time: ``serve`` for as long as it runs, a command for a moment.

The lock is the kernel's (``flock`` on ``run/lock``): it goes with its holder, however that ends.
The file's text, the holder's process id, is only for the person who is told to wait.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from netboot.errors import ConfigError, OperationError
from netboot.guide import why

PATIENCE = 1.0
"""Seconds ``serve`` waits: longer than any command holds the lock."""
_PAUSE = 0.02
_LONGEST_TEXT = 32


class Held(ConfigError):  # noqa: N818 -- its name says what is wrong
    """Another process has the lock; the text says which.

    Attributes:
        pid: the holder's process id as it wrote it, "" where it did not.
    """

    def __init__(self, path: Path, pid: str) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        problem = f"{path.parent.parent} is in use by {holder}: netboot runs there already"
        super().__init__(str(path), "", problem)


class DataLock:
    """The lock of one run folder; a context manager that has it while inside.

    Args:
        run_dir: it is made, for us alone, where it is missing.
        patience: seconds to wait for another holder to let go.

    Raises:
        Held: on entering, somebody else kept it all the time.
        OperationError: on entering, the system does not let us.
    """

    def __init__(self, run_dir: Path, patience: float = PATIENCE) -> None:
        self._path = run_dir / "lock"
        self._patience = patience
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._make_folders()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperationError(f"{self._path}: cannot be opened: {why(error)}") from None
        deadline = time.monotonic() + self._patience
        while not self._taken():
            if time.monotonic() >= deadline:
                pid = os.pread(self._descriptor, _LONGEST_TEXT, 0).decode("ascii", "ignore")
                os.close(self._descriptor)
                raise Held(self._path, pid.strip())
            time.sleep(_PAUSE)
        with contextlib.suppress(OSError):  # the disk is full; the lock holds all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def _make_folders(self) -> None:
        run_dir = self._path.parent
        run_dir.parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (run_dir.parent, run_dir):
            folder.mkdir(mode=0o710, exist_ok=True)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
