"""One writer at a time in an images folder; a lock the kernel drops with its holder says so."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netboot.errors import OperationError

WORK = ".fetch"
"""Folder in the images folder for the lock, apt's state and unfinished downloads."""


BUILD = ".build"
"""Folder for what is built, apart: that takes minutes, in which others may fetch."""

_BUSY = {
    WORK: "another fetch is running in {}, or files are being added or removed",
    BUILD: "another build is running in {}",
}


@contextmanager
def locked(images_dir: Path, folder: str = WORK) -> Iterator[None]:
    """Have the images folder for ourselves; it is made where it is missing.

    Args:
        images_dir: ``Settings.images_dir``.
        folder: ``WORK`` to change what is there, ``BUILD`` to be the only one that builds.

    Raises:
        OperationError: somebody else has it, or the system does not let us.
    """
    work = images_dir / folder
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OperationError(f"cannot write to {images_dir}: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OperationError(_BUSY[folder].format(images_dir)) from None
    else:
        yield
    finally:
        os.close(handle)
