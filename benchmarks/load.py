"""The load clients: small C programs, compiled at first use and run in a host of the LAN.

They are the same for both sides and cheap, so that what is measured is the server: one in Python
would need more of the processor than either of them.
"""

import functools
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.work import Server
from netboot.errors import OperationError
from netboot.lab.namespaces import Host

SOURCES = Path(__file__).parent / "clients"
CACHE = Path(os.environ.get("NETBOOT_CACHE") or Path(__file__).parent.parent / ".cache").absolute()
LONGEST_RUN = 120.0
"""Seconds one run of a load client may take."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a load client says of one run.

    Attributes:
        seconds: from its first packet to its last answer.
        done, failed: exchanges, reads or requests that ended well, or did not.
        repeated: packets that had to be sent again.
        bytes: payload received.
        p50, p99: seconds one of them took.
        cpu: seconds of processor time the server took meanwhile.
    """

    seconds: float
    done: int
    failed: int
    repeated: int
    bytes: int
    p50: float
    p99: float
    cpu: float = 0.0

    @property
    def mib_per_second(self) -> float:
        """Payload in MiB/s."""
        return self.bytes / self.seconds / (1 << 20)

    @property
    def gigabytes(self) -> float:
        """Payload in units of 10⁹ bytes."""
        return self.bytes / 1e9


@functools.cache
def client(name: str) -> Path:
    """The program made from ``clients/<name>.c``.

    Raises:
        OperationError: there is no C compiler, or it found fault with the source.
    """
    program = CACHE / "benchmarks" / name
    sources = [SOURCES / f"{name}.c", SOURCES / "common.h"]
    newest = max(source.stat().st_mtime for source in sources)
    if program.exists() and program.stat().st_mtime > newest:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-O2", "-std=gnu11", "-o", str(program), str(sources[0])]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise OperationError("cc is not installed; the load clients need gcc, libc6-dev") from None
    if done.returncode != 0:
        raise OperationError(f"{' '.join(command)}: {done.stderr.strip()}")
    return program


def run(
    server: Server,
    name: str,
    arguments: Sequence[str | int],
    *,
    host: Host | None = None,
    text_input: str | None = None,
) -> Result:
    """Run a load client against ``server``, from its own host where no other is given.

    Raises:
        OperationError: it could not do its work at all.
    """
    command = [str(client(name)), *map(str, arguments)]
    before = cpu_seconds(server.pid)
    said = (host or server.host).run(command, timeout=LONGEST_RUN, text_input=text_input).stdout
    return Result(**json.loads(said), cpu=cpu_seconds(server.pid) - before)


def get(
    server: Server,
    connections: int,
    lines: Sequence[str],
    source: str = "0.0.0.0",  # noqa: S104 -- any of its own
    sources: int = 1,
) -> Result:
    """GET each of ``lines`` (see ``clients/http.c``) over some connections."""
    arguments: list[str | int] = [server.address, server.port, connections, source, sources]
    return run(server, "http", arguments, text_input="\n".join(lines) + "\n")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, its children and those it has waited for."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
