"""Where the bytes of an answer come from: an opened file, or bytes made for one machine.

A source is opened before the first byte is promised and read in pieces. A file is held by its
descriptor, so an image that is switched or removed meanwhile goes on being served as it was.
"""

import os
import stat
from pathlib import Path

from netboot.errors import NotServed
from netboot.wire.blocks import Source

__all__ = ["BytesSource", "FileSource", "Source"]

# O_NOFOLLOW: the last part of the path is no symlink; O_NONBLOCK: a FIFO cannot hold us up
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class FileSource:
    """A regular file, at the size it had when it was opened.

    Args:
        path: where it stands; whoever calls answers for the folders in it.

    Raises:
        NotServed: it cannot be opened, or is a symlink or no regular file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        try:
            self._fd = os.open(path, _FLAGS)
            status = os.fstat(self._fd)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            self.close()
            raise NotServed(f"{path} cannot be opened: {_reason(error)}") from None
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise NotServed(f"{path} is no regular file")
        self.size = status.st_size

    def read(self, offset: int, length: int) -> bytes:
        """See ``Source``."""
        if offset + length > self.size:
            length = max(self.size - offset, 0)
        if not length:
            return b""
        try:
            data = os.pread(self._fd, length, offset)
        except OSError as error:
            raise NotServed(f"{self._path} cannot be read: {_reason(error)}") from None
        if len(data) < length:
            raise NotServed(f"{self._path} was cut while it was being sent")
        return data

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._fd

    def close(self) -> None:
        """See ``Source``."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class BytesSource:
    """Bytes made for one answer."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        """See ``Source``."""
        return self._content[offset : offset + length]

    def close(self) -> None:
        """See ``Source``; there is nothing to let go of."""


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
