"""Installers' own logs, by syslog (RFC 5426: one datagram, one line), into the timeline.

Who may write: the addresses of boots under way, that their token went to or that showed it
(``netboot.boot.attempts``). Everything else is counted and dropped. A source address can be
forged, and an installer can be chatty, so what is written is bounded for each machine and in all;
what tells of a stage, or warns, has an allowance of its own, so that no flood of package names
hides it. How many lines are kept is the store's business.

A log repeats what was run: commands of answer files are cut out of it, for there may be secrets in
them, and the journal cuts out tokens.
"""

import re
import time
from collections import Counter
from collections.abc import Callable

from netboot.boot.machines import Machines
from netboot.boot.rate import RateLimit
from netboot.boot.udp import Address, Reactor, UdpPort
from netboot.errors import MalformedPacket
from netboot.event_text import harmless
from netboot.events import Kind
from netboot.stages.installer import selected
from netboot.wire.syslog import Line, Severity, parse

MAX_LINE = 400
"""Characters of one line that are written down; debian-installer's syslogd sends 256."""
LINES_PER_SECOND, LINES_BURST = 20.0, 400
"""Lines of one machine: a Debian installation writes some 10,000 in a quarter of an hour."""
TELLING_PER_SECOND, TELLING_BURST = 2.0, 200
"""Lines of one machine that tell of a stage or warn, beside the others."""
ALL_PER_SECOND, ALL_BURST = 400.0, 2000
"""Lines of all machines, the telling ones aside."""
MAX_SPEAKERS = 4096
"""Machines whose allowance is remembered."""

_ANY = "0.0.0.0"  # noqa: S104 -- heard wherever machines are; who is no machine of ours is dropped
_EVERYBODY = ""
_COMMAND = re.compile(r"(running preseed command [a-z/_-]+).*", re.DOTALL)


class InstallerLog:
    """Hears syslog and writes down what belongs to a boot under way.

    Args:
        reactor: where to wait.
        machines: who speaks, and where lines go.
        port: 514 but in tests; 0 lets the kernel choose.
        address: the local IPv4 address, all of them by default.
        now: seconds that are never put back.

    Attributes:
        drops: what was not written down, by reason.
    """

    def __init__(
        self,
        reactor: Reactor,
        machines: Machines,
        *,
        port: int,
        address: str = _ANY,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machines = machines
        self._now = now
        self.drops: Counter[str] = Counter()
        self._port = UdpPort(reactor, address, port, self.receive, self.drops)
        self._telling = RateLimit(TELLING_PER_SECOND, TELLING_BURST, MAX_SPEAKERS)
        self._lines = RateLimit(LINES_PER_SECOND, LINES_BURST, MAX_SPEAKERS)
        self._all = RateLimit(ALL_PER_SECOND, ALL_BURST, 1)

    @property
    def port(self) -> int:
        """The port that is heard, 0 while stopped."""
        return self._port.port

    def start(self) -> None:
        """Hear it; from now on machines are told to log here.

        Raises:
            OSError: it is held, as a rule by this host's own rsyslog, or not permitted.
        """
        self._port.start()
        self._machines.syslog_port = self.port

    def stop(self) -> None:
        """Hear no more; a second call does nothing."""
        self._machines.syslog_port = None
        self._port.stop()

    def receive(self, datagram: bytes, peer: Address, _local: str) -> None:
        """Take one datagram."""
        mac = self._machines.speaker(peer[0])
        if mac is None:
            self.drops["syslog: from no boot under way"] += 1
            return
        try:
            line = parse(datagram)
        except MalformedPacket as problem:
            self.drops[str(problem)] += 1
            return
        stage = selected(line.program, line.text)
        telling = stage is not None or line.severity <= Severity.WARNING
        if not line.text.strip() or not self._is_affordable(mac, telling=telling):
            return
        data = {"program": harmless(line.program), "severity": line.severity.word}
        if stage is not None:
            data["stage"] = stage.slug
        self._machines.record(Kind.SYSLOG, mac, _shown(line), **data)

    def _is_affordable(self, mac: str, *, telling: bool) -> bool:
        now = self._now()
        if not (self._telling if telling else self._lines).allows(mac, now):
            self.drops["syslog: too many lines of one machine"] += 1
            return False
        if not telling and not self._all.allows(_EVERYBODY, now):
            self.drops["syslog: too many lines of all machines"] += 1
            return False
        return True


def _shown(line: Line) -> str:
    text = _COMMAND.sub(r"\1", line.text.strip())
    return harmless(f"{line.program}: {text}" if line.program else text, MAX_LINE)
