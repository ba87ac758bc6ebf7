"""What the boot program must know again after a restart, when control is away: one file each.

A file is replaced whole (written beside, synced, renamed), so a crash at any moment leaves the
old one or the new one. Writing happens in a thread of the reactor's pool, one write at a time;
of several contents that come meanwhile only the newest is written next.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

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
        self._writing = False
        self._next: bytes | None = None

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
        self._next = raw
        if not self._writing:
            self._writing = True
            self._reactor.callInThread(self._write, raw)

    def _write(self, raw: bytes) -> None:
        try:
            replace_file(self._path, raw)
        except OSError as error:
            log.warning("%s: cannot be kept: %s", self._path, error.strerror)
        finally:
            self._reactor.callFromThread(self._written, raw)

    def _written(self, raw: bytes) -> None:
        self._writing = False
        if self._next is not None and self._next is not raw:
            self.keep(self._next)


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path``, whole or not at all; mode 0600.

    Raises:
        OSError: it could not be written; ``path`` is as it was.
    """
    beside = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
