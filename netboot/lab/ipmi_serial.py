"""The serial line of a virtual machine, lent to one IPMI session at a time (section 24).

The machine's line is a UNIX socket. It is connected to only while SOL is active, and what the
machine says meanwhile to nobody is not kept here.
"""

import contextlib
import math
import socket
import time
from enum import IntEnum
from pathlib import Path
from typing import Any

from netboot.lab.ipmi_sol import PAYLOAD, SolPayloads

MOST_TYPED = 4096
"""Characters that wait for the machine; more are refused until it takes them."""
SILENCE = 60.0
"""Seconds after which a session that says nothing has lost the line (section 6.12.15)."""
ROUND = 0.02
"""Seconds between two looks at the machine's line while it is lent."""

_OK, _NOT_ACTIVE, _BUSY, _DISABLED = 0x00, 0x80, 0x80, 0x81
_WRONG_LENGTH, _INVALID_DATA = 0xC7, 0xCC
_SOL = 1
_CHUNK = 4096

Reply = tuple[int, bytes]
"""A completion code and the data of the response."""


class Command(IntEnum):
    """Commands of the application's network function (appendix G)."""

    ACTIVATE = 0x48
    DEACTIVATE = 0x49
    STATUS = 0x4A
    OWNER = 0x4B


class SerialOverLan:
    """SOL of one BMC.

    Args:
        path: the machine's serial line; None for a machine without one.
        port: where the BMC listens.
    """

    def __init__(self, path: Path | None, port: int) -> None:
        self._path = path
        self._port = port
        self._session: Any = None
        self._line: socket.socket | None = None
        self._payloads = SolPayloads()
        self._typed = bytearray()
        self._heard = 0.0

    @property
    def patience(self) -> float:
        """Seconds until ``turn`` is to be called again."""
        return ROUND if self._line else math.inf

    def answer(self, command: Command, data: bytes, session: Any) -> Reply:  # noqa: ANN401 -- pyghmi's
        """Do one of the commands.

        Raises:
            OSError: the machine's line is not to be had.
        """
        if not data or (command is not Command.STATUS and len(data) < 2):  # noqa: PLR2004 -- payload type and instance
            return _WRONG_LENGTH, b""
        if data[0] & 0x3F != _SOL or (command is not Command.STATUS and data[1] & 0xF != 1):
            return _INVALID_DATA, b""
        match command:
            case Command.ACTIVATE:
                return self._activate(session)
            case Command.DEACTIVATE:
                return self._deactivate()
            case Command.STATUS:
                return _OK, bytes([1, int(self._line is not None), 0])
            case Command.OWNER:
                owner = self._session.localsid if self._line else 0
                return _OK, owner.to_bytes(4, "little") + bytes([1]) + bytes(7)

    def heard(self, session: Any) -> None:  # noqa: ANN401 -- likewise
        """A session has said something."""
        if session is self._session:
            self._heard = time.monotonic()

    def turn(self) -> None:
        """Carry characters both ways."""
        if self._line is None:
            return
        now = time.monotonic()
        try:
            with contextlib.suppress(BlockingIOError):
                del self._typed[: self._line.send(self._typed)]
            with contextlib.suppress(BlockingIOError):
                said = self._line.recv(_CHUNK)
                self._payloads.output(said)
                if not said:
                    self._end()
                    return
        except OSError:
            self._end()
            return
        self._send(self._payloads.due(now))
        if self._payloads.gone or now - self._heard > SILENCE:
            self._end()

    def _activate(self, session: Any) -> Reply:  # noqa: ANN401 -- likewise
        if self._path is None:
            return _DISABLED, b""
        if self._line is not None:
            return _BUSY, b""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(self._path))
        except OSError:
            line.close()
            raise
        line.setblocking(False)  # noqa: FBT003 -- the socket module's signature
        self._line, self._session, self._payloads = line, session, SolPayloads()
        self._typed.clear()
        self._heard = time.monotonic()
        session.last_payload_type = None  # pyghmi reads it, and sets it for a client alone
        session.sol_handler = self._take
        sizes = PAYLOAD.to_bytes(2, "little") * 2
        return _OK, bytes(4) + sizes + self._port.to_bytes(2, "little") + b"\xff\xff"

    def _deactivate(self) -> Reply:
        if self._line is None:
            return _NOT_ACTIVE, b""
        self._end()
        return _OK, b""

    def _take(self, payload: bytes) -> None:
        self._heard = time.monotonic()
        room = MOST_TYPED - len(self._typed)
        self._typed += self._payloads.typed(bytes(payload), takes=room >= PAYLOAD)
        self.turn()

    def _send(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self._session.send_payload(bytearray(payload), payload_type=_SOL, retry=False)

    def _end(self) -> None:
        """Tell whoever has the line that it is over, and let it go."""
        if self._line is not None:
            self._send([self._payloads.farewell()])
            self._session.sol_handler = None
            self._line.close()
        self._line = self._session = None
