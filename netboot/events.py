"""The timeline's vocabulary: one event for each thing a machine asked or got, or its BMC was told.

Events are made by the boot program, flow to the control program and are kept there; those of BMCs
are made by the control program itself. They hold nothing secret: a token in a path and a BMC's
password are cut before an event is made.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from netboot.model import Mac


class Kind(StrEnum):
    """What happened, in the order a boot goes through it."""

    DISCOVER = "discover"
    OFFER = "offer"
    IGNORED = "ignored"
    REQUEST_4011 = "request-4011"
    ACK_4011 = "ack-4011"
    MEDIA = "media"
    """Its virtual CD or USB stick, made by us, is being read: once, however many reads it takes."""
    LOADER = "loader"
    """The whole network boot program was sent by TFTP or HTTP."""
    SCRIPT = "script"
    KERNEL = "kernel"
    INITRD = "initrd"
    PRESEED = "preseed"
    PROGRESS = "progress"
    """The installer said how far it is; a failed step has its exit status in the detail."""
    INSTALLED = "installed"
    """The installer called home at its end: from now on the machine starts from its disk."""
    OVERRIDE = "override"
    """A boot override for one boot was obeyed, and is over; its number is in the data."""
    FILE = "file"
    """Some other file of an image was sent."""
    PROBE = "probe"
    """A read the machine broke off on purpose, such as UEFI's size query (RFC 2349)."""
    NOT_SERVED = "not-served"
    FAILED = "failed"
    """We could not give what should have been there: a broken template, a file that is away."""
    STALLED = "stalled"
    """The next stage did not come in time; the detail names the usual cause."""
    ALARM = "alarm"
    """Somebody asked for a machine's secrets who should not, or a second time."""
    BMC = "bmc"
    """Something was asked of its BMC, tried or answered; ``came`` in the data says how it went."""
    STATE = "state"
    """The node came into another state of its life; the detail says from which, and why."""
    JOB = "job"
    """A job for it began, went on to another stage or ended; its number is in the data."""
    SYSLOG = "syslog"
    """A line of the installer's own log, as it sent it."""
    CONSOLE = "console"
    """A line the machine said on its serial line while somebody had its console."""
    LOST = "lost"
    """Events were dropped because a buffer was full; the detail says how many."""


WARNS = frozenset({"emergency", "alert", "critical", "error", "warning"})
"""Severities (RFC 5424 section 6.2.1) of log lines that a person should see."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a machine's timeline.

    Attributes:
        mac: the machine, None where only an address is known.
        node: its registered name, None for an unknown machine.
        detail: a short sentence with the values that matter.
        data: the same values for programs.
        time: seconds since the epoch.
    """

    kind: Kind
    mac: Mac | None
    node: str | None
    detail: str = ""
    data: Mapping[str, str | int] = field(default_factory=dict)
    time: float = field(default_factory=time.time)
