"""One owner of a data folder at a time: ``serve`` for as long as it runs, a command for a moment.

Both locks are the kernel's (``flock``), so they go with their holder, however that ends:

- ``run/lock``: who has the data folder.
- ``run/serving``: whoever serves, or is about to. No command takes ``run/lock`` meanwhile, so that
  commands which follow each other at once keep no ``serve`` from starting; and what a ``serve``
  finds in its way then is one command, which comes to its end.

A file's text, its holder's process id, is only for the person who is told to wait.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from netboot.errors import ConfigError, OperationError
from netboot.guide import why

LOCK, SERVING = "lock", "serving"
"""The files' names."""
PATIENCE = 1.0
"""Seconds a ``serve`` that ends may take to let go of its data folder."""
_PAUSE = 0.02
_LONGEST_TEXT = 32
_HOW = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""A link there would have root empty another file."""

log = logging.getLogger(__name__)


class Held(ConfigError):  # noqa: N818 -- its name says what is wrong
    """Another process has the data folder; the text says which."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(str(path), "", f"{path.parent.parent} is in use by {what}")


@contextlib.contextmanager
def lock_to_serve(run_dir: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Have the data folder for as long as we serve; a command that has it is waited for, and named.

    Args:
        run_dir: it is made, for us alone, where it is missing.
        patience: seconds to wait for another ``serve`` to let go.

    Raises:
        Held: somebody else serves this folder.
        OperationError: the system does not let us.
    """
    with _opened(run_dir, SERVING) as serving, _opened(run_dir, LOCK) as lock:
        deadline = time.monotonic() + patience
        while not serving.taken():
            if time.monotonic() >= deadline:
                raise _served_by(serving)
            time.sleep(_PAUSE)
        serving.sign()
        told = time.monotonic() + patience
        while not lock.taken():
            if time.monotonic() >= told:
                told = float("inf")
                holder = lock.holder()
                log.warning("%s has the data folder, a netboot command: waiting for it", holder)
            time.sleep(_PAUSE)
        lock.sign()
        yield


@contextlib.contextmanager
def lock_for_command(run_dir: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Have the data folder for one command.

    Args:
        run_dir: it is made, for us alone, where it is missing.
        patience: seconds to wait for another holder to let go.

    Raises:
        Held: somebody else had it, or waited to serve it, all the time.
        OperationError: the system does not let us.
    """
    with _opened(run_dir, LOCK) as lock:
        deadline = time.monotonic() + patience
        while (held := _in_the_way(run_dir, lock)) is not None:
            if time.monotonic() >= deadline:
                raise held
            time.sleep(_PAUSE)
        lock.sign()
        yield


def _served_by(serving: "_File") -> Held:
    return Held(serving.path, f"{serving.holder()}: netboot runs there already")


def _in_the_way(run_dir: Path, lock: "_File") -> Held | None:
    """Who keeps a command from having ``lock``; None where it has it now."""
    if (run_dir / SERVING).exists():  # who serves makes it, so that it is that user's
        with _opened(run_dir, SERVING) as serving:
            if not serving.taken(shared=True):  # for an instant, and other commands may as well
                return _served_by(serving)
    return None if lock.taken() else Held(lock.path, f"{lock.holder()}, a netboot command")


class _File:
    """A file whose lock says who is there.

    Args:
        path: where it is.
        descriptor: it, open.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def taken(self, *, shared: bool = False) -> bool:
        """Take the lock, if nobody else has it; it is ours until the file is closed."""
        wanted = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, wanted | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sign(self) -> None:
        """Say in the file that it is we who have the lock."""
        with contextlib.suppress(OSError):  # the disk is full; the lock holds all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def holder(self) -> str:
        """Who signed, for a person."""
        pid = os.pread(self._descriptor, _LONGEST_TEXT, 0).decode("ascii", "ignore").strip()
        return f"process {pid}" if pid else "another process"


@contextlib.contextmanager
def _opened(run_dir: Path, name: str) -> Iterator[_File]:
    path = run_dir / name
    try:
        run_dir.parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (run_dir.parent, run_dir):
            folder.mkdir(mode=0o710, exist_ok=True)
        descriptor = os.open(path, _HOW, 0o600)
    except OSError as error:
        raise OperationError(f"{path}: cannot be opened: {why(error)}") from None
    try:
        yield _File(path, descriptor)
    finally:
        os.close(descriptor)
