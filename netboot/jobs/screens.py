"""Screenshots of machines that missed a deadline, as files; the oldest go first."""

import contextlib
import os
import time
from pathlib import Path
from urllib.parse import quote

from netboot.errors import OperationError

DIRECTORY = "screenshots"
"""Its name in ``data_dir``."""
KEPT = 64
"""Files kept, of all machines together."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of them together."""

_PNG = b"\x89PNG"


class Screens:
    """The folder; it is made when the first screenshot is kept.

    A screen may show what is nobody else's business: folder and files are their owner's alone.

    Args:
        directory: the folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, name: str, image: bytes, at: float) -> Path:
        """Keep a screenshot.

        Args:
            name: the node's.
            image: PNG or JPEG.
            at: epoch seconds.

        Returns:
            the file.

        Raises:
            OperationError: the system does not let us.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        suffix = "png" if image.startswith(_PNG) else "jpg"
        path = self._directory / f"{quote(name, safe='')}-{stamp}.{suffix}"
        partial = path.with_suffix(".partial")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(image)
            partial.rename(path)
            self._forget_old()
        except OSError as error:
            raise OperationError(f"{path}: {error.strerror}") from None
        return path

    def _forget_old(self) -> None:
        """Keep within both bounds, and the newest in any case."""
        there = []
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another turn's, which has its name now
                there.append((path.stat(), path))
        newest = sorted(there, key=lambda found: found[0].st_mtime_ns, reverse=True)
        size = 0
        for count, (found, path) in enumerate(newest, start=1):
            size += found.st_size
            if count > 1 and (count > KEPT or size > MOST_BYTES):
                path.unlink(missing_ok=True)


def screens_in(data_dir: Path) -> Screens:
    """The screenshots of the program that owns ``data_dir``."""
    return Screens(data_dir / DIRECTORY)
