"""What a machine's timeline says to its job: how far its boot is, and what an operator did to it.

Pure: records in, a memory out. Records are taken in the order of their ids, each once.
"""

from collections.abc import Sequence

import msgspec

from netboot.bmc.model import PowerAction
from netboot.events import Event, Kind
from netboot.jobs.memory import Meddled, Memory, Watched, boot_of, kept_boot
from netboot.stages import follow
from netboot.store.shapes import Record

ASKED = "asked"
"""``came`` of the line with which an action on a BMC begins."""

_OURS = frozenset({Kind.BMC, Kind.JOB, Kind.STATE, Kind.LOST, Kind.ALARM, Kind.CONSOLE})
"""Kinds that say nothing of the machine's boot."""
_POWER = "power "
_OFF = (PowerAction.OFF, PowerAction.SHUTDOWN)


def watch(memory: Memory, records: Sequence[Record], job: int) -> Memory:
    """The memory after what came since it was last asked.

    Args:
        memory: before.
        records: of its node, by rising id.
        job: its number; its own actions are no operator's.
    """
    for record in records:
        event = record.event
        if event.kind is Kind.BMC:
            memory = _meddled(memory, event, job)
        elif event.kind not in _OURS and event.time >= _counts_from(memory):
            memory = msgspec.structs.replace(memory, watched=_seen(memory.watched, event))
    if not records:
        return memory
    watched = msgspec.structs.replace(memory.watched, after=records[-1].id)
    return msgspec.structs.replace(memory, watched=watched)


def forget_boot(memory: Memory) -> Memory:
    """The memory as the machine is about to be restarted: a new boot begins."""
    return msgspec.structs.replace(memory, watched=Watched(after=memory.watched.after))


def _counts_from(memory: Memory) -> float:
    return memory.intent.at if memory.intent else memory.begun


def _seen(watched: Watched, event: Event) -> Watched:
    before = boot_of(watched)
    boot = follow(before, event)
    over_again = boot.gave_up is not None or before is None or before.begun != boot.begun
    reached = over_again or before is None or before.stage is not boot.stage
    return Watched(
        watched.after,
        kept_boot(boot),
        event.time if reached else watched.since,
        watched.said if event.kind is Kind.SYSLOG else f"{event.kind.value}: {event.detail}",
        event.time,
        watched.first or event.time,
    )


def _meddled(memory: Memory, event: Event, job: int) -> Memory:
    """The memory after an action on the BMC began, which may be an operator's.

    One that switched the machine off has it until he switches it on, and one that restarted it
    after we did has it from then on. Before that the machine is ours to restart all the same.
    """
    data = event.data
    asked, came = str(data.get(ASKED, "")), data.get("came")
    foreign = data.get("job") != str(job)
    if came != ASKED or not foreign or not asked.startswith(_POWER) or event.time < memory.begun:
        return memory
    action = asked.removeprefix(_POWER)
    if memory.intent is None and action not in _OFF:
        return msgspec.structs.replace(memory, meddled=None)
    by = Meddled(str(data.get("by", "somebody")), asked, event.time)
    return msgspec.structs.replace(memory, meddled=by)
