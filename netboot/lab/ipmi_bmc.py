"""A virtual BMC that speaks IPMI 2.0, for one virtual machine on one address."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from netboot.errors import OperationError
from netboot.lab.bmc.machine import BootDevice, Refused, VirtualMachine
from netboot.lab.ipmi_inventory import inventory
from netboot.lab.program import Program

PORT = 623
START_TIMEOUT = 30.0
"""Seconds its process gets on a busy machine."""
_LONGEST_LINE = 64 * 1024
_LOOK_EVERY = 0.2


class Start(Protocol):
    """Starts a command with its output kept; ``Host.start`` is one."""

    def __call__(self, argv: Sequence[str | Path], log: Path) -> Program:
        """The running command."""


@runtime_checkable
class HasSerial(Protocol):
    """A machine with a serial line.

    Attributes:
        serial: the UNIX socket that is its other end.
    """

    serial: Path


class IpmiBmc:
    """A running virtual BMC, ended by ``close``.

    Args:
        machine: what it controls; SOL carries its serial line where it ``HasSerial``.
        directory: where its socket and its log go.
        user: who may log in. ``password``: likewise.
        address: IPv4. ``port``: UDP; 0 takes a free one.
        start: starts its process, where ``address`` is.

    Attributes:
        port: where it listens.

    Raises:
        OperationError: it did not start.
    """

    def __init__(
        self,
        machine: VirtualMachine,
        directory: Path,
        *,
        user: str,
        password: str,
        address: str,
        port: int = PORT,
        start: Start | None = None,
    ) -> None:
        self._machine = machine
        self._listening: Future[int] = Future()
        path = directory / f"ipmi-{machine.name}.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            try:
                path.chmod(0o600)
                listener.listen(1)
                command = [sys.executable, "-m", "netboot.lab.ipmi_process", str(path)]
                log = directory / f"ipmi-{machine.name}.log"
                self._program = (start or _start)(command, log)
                self._stream = self._accepted(listener)
            finally:
                path.unlink()
        introduction = {
            "address": address,
            "port": port,
            "user": user,
            "password": password,
            "uuid": str(machine.uuid),
            "boot_devices": sorted(machine.boot_devices),
            "serial": str(machine.serial) if isinstance(machine, HasSerial) else None,
            "fru": inventory("netboot", "virtual machine", "lab", machine.name).hex(),
        }
        self._stream.sendall(json.dumps(introduction).encode() + b"\n")
        self._thread = threading.Thread(target=self._serve, name="ipmi-bmc", daemon=True)
        self._thread.start()
        self.port = self._awaited()

    def close(self) -> None:
        """End it. Calling it twice is fine."""
        with contextlib.suppress(OSError):  # hung up already
            self._stream.shutdown(socket.SHUT_RDWR)
        self._program.end()
        self._thread.join()
        self._stream.close()

    def _accepted(self, listener: socket.socket) -> socket.socket:
        deadline = time.monotonic() + START_TIMEOUT
        listener.settimeout(_LOOK_EVERY)
        while time.monotonic() < deadline and self._program.process.poll() is None:
            with contextlib.suppress(TimeoutError):
                stream = listener.accept()[0]
                stream.settimeout(None)
                return stream
        self._program.end()
        raise OperationError(f"the virtual BMC did not start: {self._program.tail()}")

    def _awaited(self) -> int:
        try:
            return self._listening.result(START_TIMEOUT)
        except (TimeoutError, CancelledError):
            self.close()
            raise OperationError(f"the virtual BMC did not start: {self._program.tail()}") from None

    def _serve(self) -> None:
        """Do what the process asks for, one thing after the other, until it hangs up."""
        with contextlib.suppress(OSError), self._stream.makefile("rw", encoding="utf-8") as lines:
            while (line := lines.readline(_LONGEST_LINE)).endswith("\n"):
                lines.write(json.dumps(self._reply(json.loads(line))) + "\n")
                lines.flush()
        self._listening.cancel()

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._do(**asked)}
        except (Refused, OperationError) as error:
            return {"error": str(error)}

    def _do(self, call: str, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON
        machine = self._machine
        match call:
            case "ready":
                self._listening.set_result(arguments["port"])
            case "is_on" | "starts":
                return getattr(machine, call)
            case "power_on" | "power_off" | "reset" | "shutdown":
                getattr(machine, call)()
            case "set_boot":
                device = arguments["device"]
                machine.set_boot(device and BootDevice(device), once=arguments["once"])
        return None


def _start(argv: Sequence[str | Path], log: Path) -> Program:
    """Start it beside this process, on this machine's own addresses."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Program(process, log, name="ipmi_process")
