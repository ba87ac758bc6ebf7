"""Tells systemd how the service is: ready, well, stopping (sd_notify(3), sd_watchdog_enabled(3)).

A message is one datagram of ``NAME=value`` lines to the UNIX socket that ``NOTIFY_SOCKET`` names.
systemd ends and restarts a service whose ``WATCHDOG=1`` stays away; so it is sent only after the
two programs were asked and have answered.
"""

import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping

ASK_AGAIN = 0.5
"""Seconds until programs that were not well are asked again."""
ASK_WELL = 10.0
"""Seconds until programs that were well are asked again, where systemd wants it no oftener."""
PINGS = 3
"""Pings within one watchdog period: one may be late without harm."""
LONGEST_STATUS = 200
"""Characters of a status line."""


class Notifier:
    """Sends messages to whoever started us; does nothing where nobody listens.

    Args:
        environ: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are taken out of it: they
            are for this process, not for its children.

    Attributes:
        listening: whether anybody listens.
        period: seconds within which ``WATCHDOG=1`` is expected; None where it is not.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        period, process = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        # "@" stands for the NUL byte of an abstract address
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        ours = process in ("", str(os.getpid()))
        self.period = int(period) / 1e6 if ours and period.isdecimal() and int(period) else None

    @property
    def listening(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Send ``NAME=value`` lines in one message. One that cannot be delivered is let go."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # the manager is away: it will see us end, or not
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out,
        ):
            out.sendto("\n".join(lines).encode(), self._address)

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self.send(_status(text))


class Watch:
    """Says that the service is ready when all is well for the first time, and pings while it is.

    Args:
        notifier: where to.
        problem: asks the programs; why one is not well, None where all are.
    """

    def __init__(self, notifier: Notifier, problem: Callable[[], str | None]) -> None:
        self._notifier = notifier
        self._problem = problem
        self._every = notifier.period / PINGS if notifier.period else ASK_WELL
        self._ready = False
        self._shown = ""
        self._next = 0.0

    def look(self, now: float) -> None:
        """Ask the programs where it is time to, and send what follows from their answer.

        Args:
            now: ``time.monotonic()``.
        """
        if not self._notifier.listening or now < self._next:
            return
        problem = self._problem()
        messages = [] if problem else ["WATCHDOG=1" if self._ready else "READY=1"]
        self._ready = self._ready or problem is None
        self._next = now + (ASK_AGAIN if problem else self._every)
        status = problem or "answering machines"
        if status != self._shown:
            self._shown = status
            messages.append(_status(status))
        if messages:
            self._notifier.send(*messages)

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._notifier.send("STOPPING=1", _status("stopping"))


def _status(text: str) -> str:
    first, _, _ = text.partition("\n")
    return f"STATUS={first[:LONGEST_STATUS]}"
