"""Syslog datagrams → values: RFC 5424, and what RFC 3164 found in use.

An installer's log comes in the older form, and each writer has its own of it. debian-installer's
(busybox syslogd) sends what a program handed to syslog(3), which names no host::

    <30>Nov 21 18:05:09 main-menu[147]: INFO: Menu item 'partman-base' selected

rsyslog, on Ubuntu, sends RFC 3164 as it is described, host name and all. So of the older form only
the priority is demanded; a time, a host and a program are taken off where they are recognised.

A machine that is being installed does not know the time yet: its timestamps are not kept.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from netboot.errors import MalformedPacket

MAX_TEXT = 1000
"""Characters of one line that are kept; RFC 3164 section 4.1 sends at most 1024 bytes."""

_HIGHEST_PRIORITY = 191  # facility 23, severity 7: RFC 5424 section 6.2.1
_PRIORITY = re.compile(rb"<(0|[1-9][0-9]{0,2})>")
_TIME = re.compile(r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} ?")
_PROGRAM = re.compile(  # RFC 3164 sections 4.1.2 and 4.1.3, the host name optional
    r"(?:[^\s:\[\]]{1,255} )?(?P<program>[^\s:\[\]]{1,48})(?:\[[^\]\s]{1,128}\])?:(?:\s|$)"
)
_NEWER = re.compile(  # RFC 5424 section 6: time, host, program, process, message id
    r"1 \S{1,64} \S{1,255} (?P<program>\S{1,48}) \S{1,128} \S{1,32} "
)
_STRUCTURED = re.compile(  # section 6.3: "-", or elements; a quote in a value is escaped
    r'(?:-|(?:\[[^\s\]="]{1,32}(?: [^\s\]="]{1,32}="(?:[^"\\\]]|\\.)*")*\])+)(?: |$)'
)


class Severity(IntEnum):
    """RFC 5424 section 6.2.1, table 2."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7

    @property
    def word(self) -> str:
        """Its name for people and programs, such as ``warning``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log.

    Attributes:
        facility: RFC 5424 section 6.2.1, table 1.
        program: who logged it, "" where it does not say.
        text: what, of at most ``MAX_TEXT`` characters: as it was sent, so not harmless to print.
    """

    facility: int
    severity: Severity
    program: str
    text: str


def parse(datagram: bytes) -> Line:
    """Read one datagram.

    Raises:
        MalformedPacket: it has no valid priority, or says it is RFC 5424 and is not.
    """
    matched = _PRIORITY.match(datagram)
    if matched is None or (priority := int(matched[1])) > _HIGHEST_PRIORITY:
        raise MalformedPacket("syslog: no valid priority")
    said = datagram[matched.end() :].decode("utf-8", "replace").rstrip("\n\0")
    program, text = _newer(said) if said.startswith("1 ") else _older(said)
    return Line(priority >> 3, Severity(priority & 7), program, text[:MAX_TEXT])


def _older(said: str) -> tuple[str, str]:
    timed = _TIME.match(said)
    rest = said[timed.end() :] if timed else said
    matched = _PROGRAM.match(rest)
    if matched is None:
        return "", rest
    return matched["program"], rest[matched.end() :]


def _newer(said: str) -> tuple[str, str]:
    head = _NEWER.match(said)
    data = _STRUCTURED.match(said, head.end()) if head else None
    if head is None or data is None:
        raise MalformedPacket("syslog: not RFC 5424 after its version")
    program = "" if head["program"] == "-" else head["program"]
    return program, said[data.end() :].removeprefix("\ufeff")
