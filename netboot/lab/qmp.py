"""A plain, synchronous client of the QEMU Machine Protocol.

QMP is JSON lines over a UNIX socket: a greeting, ``qmp_capabilities``, then one reply for each
command, with events in between. One command at a time is all a lab needs, so there is no event
loop here; events are kept, bounded, and can be awaited.
"""

import json
import socket
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netboot.errors import OperationError

COMMAND_TIMEOUT = 30.0
"""Seconds a command may take; under TCG on a busy machine a screendump needs a few."""
KEPT_EVENTS = 256
_LINE_LIMIT = 1 << 20
"""Bytes of one QMP line; a reply of ours is far below it."""


class Qmp:
    """A connection to one QEMU.

    Args:
        path: its monitor socket.

    Raises:
        OperationError: it does not speak QMP.
        OSError: nobody listens there.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        try:
            self._greet(path)
        except BaseException:
            self._socket.close()
            raise

    def command(self, name: str, arguments: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 -- QMP returns any JSON
        """Execute one command and give back what it returned.

        Raises:
            OperationError: QEMU refused it, ended, or did not answer in time.
        """
        message: dict[str, object] = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        deadline = time.monotonic() + COMMAND_TIMEOUT
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            while "return" not in (reply := self._read(deadline)):
                if "event" in reply:
                    self._events.append(reply)
                elif "error" in reply:
                    raise OperationError(f"QMP {name}: {reply['error'].get('desc')}")
        except (TimeoutError, ConnectionError, BrokenPipeError) as error:
            raise OperationError(f"QMP {name}: {error}") from None
        return reply["return"]

    def wait_for_event(self, name: str, timeout: float) -> dict[str, Any]:
        """The ``data`` of the oldest event of that name not yet taken.

        Raises:
            OperationError: none came within ``timeout`` seconds, or QEMU ended.
        """
        deadline = time.monotonic() + timeout
        try:
            while True:
                for event in self._events:
                    if event["event"] == name:
                        self._events.remove(event)
                        data: dict[str, Any] = event.get("data", {})
                        return data
                reply = self._read(deadline)
                if "event" in reply:
                    self._events.append(reply)
        except (TimeoutError, ConnectionError) as error:
            raise OperationError(f"QMP event {name}: {error}") from None

    def close(self) -> None:
        """Hang up; QEMU runs on."""
        self._socket.close()

    def _greet(self, path: Path) -> None:
        self._socket.settimeout(COMMAND_TIMEOUT)
        self._socket.connect(str(path))
        if "QMP" not in self._read(time.monotonic() + COMMAND_TIMEOUT):
            raise OperationError(f"{path} does not speak QMP")
        self.command("qmp_capabilities")

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            self._socket.settimeout(left)
            chunk = self._socket.recv(1 << 16)
            if not chunk or len(self._buffer) > _LINE_LIMIT:
                raise ConnectionResetError("QEMU has hung up")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
