"""What the boot program must know again after a restart, when control is away: one file each.

A file is replaced whole (written beside, synced, renamed), so a crash at any moment leaves the
old one or the new one. Writing happens in a thread of the reactor's pool, one write at a time;
of several contents that come meanwhile only the newest is written next. What the disk did not take
is tried again until it does: that is said once, and once more when it is over.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from netboot.guide import see

AGAIN = 5.0
"""Seconds until what could not be written is tried again."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class KeptFile(Generic[T]):
    """One file, owned by this process.

    Args:
        reactor: Twisted's; ``keep`` is called in its thread.
        path: the file; its folder exists when something is to be kept.
        decode: bytes to what they mean; raises ValueError where they mean nothing.
        limit: bytes the file may have; a longer one is not read.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 -- many interfaces at once
        path: Path,
        decode: Callable[[bytes], T],
        limit: int,
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._decode = decode
        self._limit = limit
        self._busy = False
        self._failing = False
        self._newest = b""

    def read(self) -> T | None:
        """What is on disk; None where there is nothing, or nothing that can be used."""
        try:
            with self._path.open("rb") as file:
                raw = file.read(self._limit + 1)
            return self._decode(raw)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s: cannot be read, so it is ignored: %s", self._path, error.strerror)
        except ValueError as error:
            log.warning("%s: means nothing, so it is ignored: %s", self._path, error)
        return None

    def keep(self, raw: bytes) -> None:
        """Write ``raw`` as soon as the write before it is done."""
        self._newest = raw
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        self._busy = True
        self._reactor.callInThread(self._write, self._newest)

    def _write(self, raw: bytes) -> None:
        problem = None
        try:
            replace_file(self._path, raw)
        except OSError as error:
            problem = error.strerror or str(error)
        self._reactor.callFromThread(self._tried, raw, problem)

    def _tried(self, raw: bytes, problem: str | None) -> None:
        if problem is not None:
            if not self._failing:
                log.warning("%s: cannot be kept: %s; %s", self._path, problem, see("full-disk"))
            self._failing = True
            self._reactor.callLater(AGAIN, self._begin)
            return
        if self._failing:
            log.warning("%s: is kept again", self._path)
        self._failing = self._busy = False
        if self._newest is not raw:
            self._begin()


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path``, whole or not at all; mode 0600.

    Raises:
        OSError: it could not be written; ``path`` is as it was.
    """
    beside = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()  # on a full disk half a file is in everybody's way
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
