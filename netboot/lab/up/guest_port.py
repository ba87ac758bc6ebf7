"""A guest's word with its BMC, over the virtio-serial port ``/dev/virtio-ports/placemat``.

As placemat has it, a guest announces its BMC by writing the BMC's address there, as a line. Here
the address is the lab file's, and a guest that does not know it may ask: it is the answer to ``?``.
"""

import contextlib
import ipaddress
import socket
import threading
import time
from pathlib import Path

from netboot.errors import OperationError

QUESTION = b"?"
LONGEST_LINE = 256
"""Bytes of what a guest writes; the rest of a longer line is passed over."""
CONNECT_TIMEOUT = 20.0
"""Seconds QEMU gets to listen."""
_LOOK_EVERY = 0.02


class GuestPort:
    """The host's end, until ``close``.

    Args:
        path: the UNIX socket that QEMU listens on.
        address: of the guest's BMC.

    Attributes:
        announced: what a guest has written last, "" before one has.

    Raises:
        OperationError: nobody listens there.
    """

    def __init__(self, path: Path, address: str) -> None:
        self.announced = ""
        self._address = address
        self._stream = _connected(path)
        self._thread = threading.Thread(target=self._serve, name="guest port", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up. Calling it twice is fine."""
        with contextlib.suppress(OSError):  # QEMU has
            self._stream.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._stream.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._stream.makefile("rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                self._heard(line.strip())

    def _heard(self, line: bytes) -> None:
        if line == QUESTION:
            self._stream.sendall(f"{self._address}\n".encode())
            return
        with contextlib.suppress(ValueError):  # no address: the guest talks to somebody else
            self.announced = str(ipaddress.IPv4Address(line.decode("ascii")))


def _connected(path: Path) -> socket.socket:
    deadline = time.monotonic() + CONNECT_TIMEOUT
    while True:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.connect(str(path))
        except OSError as error:
            stream.close()
            if time.monotonic() > deadline:
                raise OperationError(f"{path}: {error.strerror}") from None
            time.sleep(_LOOK_EVERY)  # QEMU has no other way to say that it listens
        else:
            return stream
