"""A container engine of one host's own: Docker's, with all its images and containers in memory.

``dockerd`` runs inside the host's network namespace, so that its bridge, its packet filter and
"the host's network" are that namespace's; and in mount and PID namespaces of its own, so that no
mount is seen outside and nothing it has started can outlive it. Its images are on a tmpfs there:
they are tens of thousands of small files, and end with it. The machine's own engine, where there
is one, is not touched.
"""

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from netboot.errors import OperationError
from netboot.lab.namespaces import Host
from netboot.lab.owner import NETNS_DIR
from netboot.lab.program import Program

START_TIMEOUT = 60.0
"""Seconds ``dockerd`` gets to listen."""
RUN_TIMEOUT = 60.0
"""Seconds a command may take unless told otherwise."""
MEMORY = 4 << 30
"""Bytes that images and containers may take; netboot's and what they are built of take 1 GiB."""

_CGROUPS = Path("/sys/fs/cgroup")
# `ip netns exec` would hide the control groups behind a new /sys
_ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
_ON_TMPFS = ("sh", "-c", f'mount -t tmpfs -o size={MEMORY} tmpfs "$0" && exec "$@"')


class Engine:
    """A running ``dockerd``; it ends with the LAN.

    Args:
        host: the host whose network is "the host's network" of its containers.

    Attributes:
        directory: its socket, its log, and where its images are for itself.

    Raises:
        OperationError: it is not installed, or did not start.
    """

    def __init__(self, host: Host) -> None:
        self.directory = host.lan.directory / f"engine-{host.name}"
        data = self.directory / "data"
        data.mkdir(parents=True)
        self._socket = self.directory / "sock"
        command = [
            *("nsenter", f"--net={NETNS_DIR / host.namespace}", *_ALONE, "--mount-proc"),
            *(*_ON_TMPFS, str(data)),
            *("dockerd", "--group", "root", "--host", f"unix://{self._socket}"),
            *("--data-root", str(data)),
            *("--exec-root", str(self.directory / "exec")),
            *("--pidfile", str(self.directory / "pid")),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", host.namespace),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._program = Program(process, self.directory / "log", name="dockerd")
        host.lan.on_close(self._end, host.namespace)
        self._program.wait_for("API listen on", START_TIMEOUT)

    def docker(
        self, *arguments: str | Path, check: bool = True, timeout: float = RUN_TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker``.

        Raises:
            OperationError: it failed and ``check`` is set, or took over ``timeout`` seconds.
        """
        return self._run(["docker", *map(str, arguments)], check=check, timeout=timeout)

    def compose(
        self,
        files: Sequence[Path],
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout: float = RUN_TIMEOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker-compose`` with these files, the later ones over the earlier.

        Raises:
            OperationError: it failed, or took over ``timeout`` seconds.
        """
        named = [word for file in files for word in ("--file", str(file))]
        return self._run(["docker-compose", *named, *arguments], timeout=timeout, env=env)

    def _end(self, group: str) -> None:
        """Remove the containers, which takes their control groups along, then everything else."""
        with contextlib.suppress(OperationError):  # it never started, or is gone
            if there := self.docker("ps", "--all", "--quiet").stdout.split():
                self.docker("rm", "--force", *there)
        self._program.end(0.0)  # ``unshare`` heeds no SIGTERM, and nothing is kept
        for left in (*_CGROUPS.glob(group), *_CGROUPS.glob(f"*/{group}")):
            left.rmdir()

    def _run(
        self,
        command: list[str],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        ours = {"DOCKER_HOST": f"unix://{self._socket}", "DOCKER_CONFIG": str(self.directory)}
        try:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env={**os.environ, **ours, **(env or {})},
            )
        except subprocess.TimeoutExpired:
            raise OperationError(f"{command[0]}: still running after {timeout:.0f} s") from None
        except FileNotFoundError:
            raise OperationError(f"{command[0]} is not installed") from None
        if check and done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise OperationError(f"{command[0]}: exit status {done.returncode}:\n{said[-4000:]}")
        return done
