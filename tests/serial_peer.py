"""A machine with a serial line that is a UNIX socket: what it was typed, and what it says."""

import contextlib
import socket
import threading
from pathlib import Path

from netboot.lab.bmc.machine import FakeMachine

PATIENCE = 10.0


class SerialMachine(FakeMachine):
    """It says back what is typed, in capitals."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="n1")
        self.serial = folder / "serial"
        self.typed = b""
        self._changed = threading.Condition()
        self._peer: socket.socket | None = None
        self._listener = socket.create_server(str(self.serial), family=socket.AF_UNIX)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, characters: bytes) -> None:
        """Say it to whoever has the line; awaits somebody."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._peer, PATIENCE), "nobody has the line"
            assert self._peer
            self._peer.sendall(characters)

    def await_typed(self, wanted: bytes) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: wanted in self.typed, PATIENCE)
            assert found, f"{wanted!r} was not typed: {self.typed!r}"

    def await_nobody(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: not self._peer, PATIENCE), "somebody has the line"

    def hang_up(self) -> None:
        """As QEMU does when it ends."""
        with self._changed:
            if self._peer:
                self._peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer = self._listener.accept()[0]
                self._lent(peer)
                with contextlib.suppress(OSError), peer:
                    while characters := peer.recv(4096):
                        with self._changed:
                            self.typed += characters
                            self._changed.notify_all()
                        peer.sendall(characters.upper())
                self._lent(None)

    def _lent(self, peer: socket.socket | None) -> None:
        with self._changed:
            self._peer = peer
            self._changed.notify_all()
