"""The last snapshot on disk: what a boot program serves from when control is away at its start.

The file is replaced whole (written beside, synced, renamed), so a crash at any moment leaves the
old one or the new one. Writing happens in a thread of the reactor's pool, one write at a time;
of several snapshots that come meanwhile only the newest is written next.
"""

import logging
import os
from pathlib import Path
from typing import Any

from netboot.frames import MAX_FROM_CONTROL
from netboot.snapshot import Snapshot, decode

log = logging.getLogger(__name__)


class KeptSnapshot:
    """One file, owned by this process.

    Args:
        reactor: Twisted's; ``keep`` is called in its thread.
        path: the file; its folder exists when something is to be kept.
    """

    def __init__(self, reactor: Any, path: Path) -> None:  # noqa: ANN401 -- many interfaces at once
        self._reactor = reactor
        self._path = path
        self._writing = False
        self._next: bytes | None = None

    def read(self) -> Snapshot | None:
        """The snapshot on disk; None where there is none, or none that can be used."""
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_FROM_CONTROL + 1)
            return decode(raw)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s: cannot be read, so it is ignored: %s", self._path, error.strerror)
        except ValueError as error:
            log.warning("%s: is no snapshot, so it is ignored: %s", self._path, error)
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
            log.warning("%s: the snapshot cannot be kept: %s", self._path, error.strerror)
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
