"""What the commands know of a running lab: a few files in ``/run``, and a lock.

    NAME.lock   held by the lab's process as long as it lives, whatever ends it
    NAME.json   its process id, and its namespaces
    NAME.sock   says how its nodes are
    NAME.log    what its process has to say

That a lab runs is said by the lock and never by a process id alone, which may be another's by now.
Everything else of a lab has its owner in its name (``netboot.lab.owner``).
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netboot.errors import ConfigError, OperationError
from netboot.lab import owner

DIRECTORY = Path("/run/netboot-lab")
END_TIMEOUT = 60.0
"""Seconds a lab gets to end in order before it is killed."""
STATUS_TIMEOUT = 30.0
LONGEST_STATUS = 1 << 20

_ENDINGS = ("json", "sock", "log", "lock")


@dataclass(frozen=True, slots=True)
class State:
    """The files of one lab."""

    name: str

    def path(self, ending: str) -> Path:
        """One of its files."""
        return DIRECTORY / f"{self.name}.{ending}"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold its lock; its files end with it.

        Raises:
            OperationError: the lab runs.
        """
        DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        descriptor = self._lock()
        if descriptor is None:
            raise OperationError(f"the lab {self.name} is up already; netboot lab down ends it")
        try:
            yield
        finally:
            self._remove()
            os.close(descriptor)

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        descriptor = self._lock() if self.path("lock").exists() else -1
        if descriptor is None:
            return True
        if descriptor >= 0:
            os.close(descriptor)
        return False

    def write(self, hosts: dict[str, str]) -> None:
        """Say who runs it and where: name → namespace."""
        text = json.dumps({"pid": os.getpid(), "hosts": hosts})
        self.path("json").write_text(text, "utf-8")

    @property
    def hosts(self) -> dict[str, str]:
        """Name → namespace; empty where it did not come to that."""
        return dict(self._read().get("hosts", {}))

    def status(self) -> dict[str, Any]:
        """What its process says of its nodes.

        Raises:
            OperationError: it does not say anything.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
                asked.settimeout(STATUS_TIMEOUT)
                asked.connect(str(self.path("sock")))
                with asked.makefile("rb") as lines:
                    said: dict[str, Any] = json.loads(lines.read(LONGEST_STATUS))
        except (OSError, ValueError) as error:
            raise OperationError(f"the lab {self.name} does not answer: {error}") from None
        return said

    def end(self) -> None:
        """End the lab and whatever is left of it, also of one whose process is gone."""
        if self.runs and (pid := self._read().get("pid")):
            self._end_process(int(pid))
        owner.reap_leftovers()
        self._remove()

    def _end_process(self, pid: int) -> None:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if not self.runs:  # asked after the process was opened: it is the lab's
                    return
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, number)
                if select.select([process], [], [], END_TIMEOUT)[0]:
                    return
        finally:
            os.close(process)

    def _lock(self) -> int | None:
        """A descriptor that holds the lock; None while somebody else does."""
        while True:
            descriptor = os.open(self.path("lock"), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), self.path("lock").stat()):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                return None
            except FileNotFoundError:  # removed by who held it until now
                pass
            os.close(descriptor)

    def _read(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self.path("json").read_text("utf-8"))
        except (OSError, ValueError):  # not there yet, or half written
            return {}
        return said

    def _remove(self) -> None:
        for ending in _ENDINGS:
            self.path(ending).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another lab's files are in it
            DIRECTORY.rmdir()


def known() -> list[State]:
    """Every lab that runs or has left something, by name."""
    return [State(path.stem) for path in sorted(DIRECTORY.glob("*.lock"))]


def named(name: str | None) -> State:
    """The lab of that name, or the only one there is.

    Raises:
        ConfigError: there is none, or there are several and none is named.
    """
    there = {state.name: state for state in known()}
    if name is None and len(there) == 1:
        return next(iter(there.values()))
    if name is None:
        problem = f"name one of {', '.join(there)}" if there else "no lab is up"
        raise ConfigError("command line", "NAME", problem)
    if name not in there:
        known_ones = f"; there are {', '.join(there)}" if there else ""
        raise ConfigError("command line", "NAME", f"= {name}: no such lab is up{known_ones}")
    return there[name]
