"""Are the two programs well? Each is asked ``/healthz``, and has little time to answer.

    python -m netboot.health

says what is wrong in one line and ends with 1, or ends with 0: a container's health check.
"""

import http.client
import socket
import sys
from pathlib import Path

from netboot.config import Settings, load
from netboot.errors import ConfigError

PATIENCE = 2.0
"""Seconds a program has to answer."""
LONGEST_ANSWER = 512
"""Bytes of an answer that are read."""
_HERE = "127.0.0.1"
_EXIT_USAGE = 2


def problem(settings: Settings) -> str | None:
    """Why one of the two programs is not well, in one line; None where both are.

    The boot program is asked by TCP, as machines ask it; the control program at the operator's
    UNIX socket, as commands ask it. Blocks for ``PATIENCE`` seconds each at most.
    """
    control = _Unix(settings.run_dir / "control.sock")
    boot = http.client.HTTPConnection(_HERE, settings.http.port, timeout=PATIENCE)
    return _asked("control", control) or _asked("boot", boot)


class _Unix(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path, not to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def _asked(program: str, connection: http.client.HTTPConnection) -> str | None:
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        answer = connection.getresponse()
        said = answer.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        why = "in time" if isinstance(error, TimeoutError) else f"({_words(error)})"
        return f"the {program} program does not answer {why}"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    return f"the {program} program is not ready: {said.decode('utf-8', 'replace').strip()}"


def _words(error: OSError | http.client.HTTPException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def main() -> int:
    """Check the installation that this environment and its configuration file describe."""
    try:
        wrong = problem(load())
    except ConfigError as error:
        sys.stderr.write(f"netboot: {error}\n")
        return _EXIT_USAGE
    sys.stdout.write(f"{wrong or 'ok'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
