"""What was done to one machine and what came of it: the closed loop's memory.

Each event is written before the next thing is done, and a reset's intent before the reset, so a
loop that was killed goes on from its history alone. What worked outlives the loop: ``Memory``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from netboot.bmc.model import BootTarget, Hardware, PowerAction, PowerState, Rung


class Did(StrEnum):
    """What an event tells of."""

    READ = "read"  # the BMC
    SET = "set"  # the boot override
    RESET = "reset"  # any change of power
    LISTEN = "listen"  # for the machine
    CLEAR = "clear"  # the override, after the boot
    CLIMB = "climb"  # to the next rung
    FETCH = "fetch"  # of its springboard, by the machine
    EJECT = "eject"  # the springboard, after the boot


class Came(StrEnum):
    """What came of it."""

    INTENT = "intent"  # about to be done
    OK = "ok"
    BUSY = "busy"  # refused, or not reached, for now
    REFUSED = "refused"
    UNKNOWN = "unknown"  # no reply: perhaps done
    SILENT = "silent"  # nothing heard


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done.

    Attributes:
        at: when, epoch seconds.
        rung: for which way of booting; None for READ.
        did: what it was.
        came: what came of it.
        words: the BMC's own words, or ours where it had none.
        request: what was sent to the BMC, in one line; "" where that says nothing.
        action: which power action, for RESET.
        power: read by READ; likewise ``last_reset``.
    """

    at: float
    rung: Rung | None
    did: Did
    came: Came
    words: str = ""
    request: str = ""
    action: PowerAction | None = None
    power: PowerState = PowerState.UNKNOWN
    last_reset: float | None = None


History = tuple[Event, ...]


class Memory(Protocol):
    """Which rung worked last, by model of BMC and by what was to be booted; the store is one."""

    def rungs(self, model: str) -> Mapping[BootTarget, Rung]:
        """What worked with this model."""

    def remember_rung(self, model: str, target: BootTarget, rung: Rung) -> None:
        """Keep what worked."""


def model_of(hardware: Hardware) -> str:
    """The name under which it is remembered what works with such a machine; "" for none."""
    parts = (hardware.manufacturer, hardware.model, hardware.bmc_model)
    return " / ".join(part for part in parts if part)


def worked_first(rungs: tuple[Rung, ...], worked: Rung | None) -> tuple[Rung, ...]:
    """``rungs`` with the one that worked before at the front."""
    return tuple(sorted(rungs, key=lambda rung: rung is not worked))


def where(
    history: Iterable[Event], did: Did, *came: Came, rung: Rung | None = None, since: float = 0.0
) -> list[Event]:
    """The events of one kind, of one rung if named, at or after ``since``; oldest first."""
    return [
        event
        for event in history
        if event.did is did
        and (not came or event.came in came)
        and (rung is None or event.rung is rung)
        and event.at >= since
    ]


def outcome(history: History, intent: Event) -> Event | None:
    """What came of the reset that ``intent`` announced; None if it was never written down."""
    for event in history[history.index(intent) + 1 :]:
        if event.did is Did.RESET:
            return None if event.came is Came.INTENT else event
    return None


def happened(history: History, intent: Event) -> bool:
    """Whether the BMC said that it reset, or a sign since shows it; else nobody knows.

    A sign is another power state or LastResetTime, or that the machine's springboard was read.
    """
    reply = outcome(history, intent)
    if (reply and reply.came is Came.OK) or where(history, Did.FETCH, since=intent.at):
        return True
    before, after = _readings_around(history, intent)
    return before is not None and any(_differs(before, reading) for reading in after)


def _readings_around(history: History, intent: Event) -> tuple[Event | None, list[Event]]:
    """The last good reading before ``intent``, and all good ones after it."""
    index = history.index(intent)
    before = where(history[:index], Did.READ, Came.OK)
    return (before[-1] if before else None), where(history[index:], Did.READ, Came.OK)


def _differs(before: Event, reading: Event) -> bool:
    powers = {before.power, reading.power}
    resets = {before.last_reset, reading.last_reset}
    return (len(powers) > 1 and PowerState.UNKNOWN not in powers) or (
        len(resets) > 1 and None not in resets
    )


def last_reset_before(history: History, intent: Event) -> float | None:
    """LastResetTime as it was read before ``intent``; None where nobody knows."""
    before, _ = _readings_around(history, intent)
    return before.last_reset if before else None


def unreadable(history: History) -> list[Event]:
    """The failed readings since the last good one, oldest first."""
    readings = where(history, Did.READ)
    good = [index for index, event in enumerate(readings) if event.came is Came.OK]
    return readings[good[-1] + 1 :] if good else readings
