"""What install, rescue and wipe have in common: a machine is brought to the network and watched.

::

    flip ──▶ (power-queue) ──▶ power-on ──heard──▶ offer … preseed ──▶ installer … ──▶ over
      ▲                            │ silent
      └──────── next rung ─────────┘

Pure: ``plan_boot`` looks at the job, its node and its memory, and knows no clock.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from netboot.bmc.goal import Goal
from netboot.bmc.history import Did
from netboot.bmc.model import BootOverride, BootTarget, PowerAction, Rung
from netboot.events import Kind
from netboot.job import JobState
from netboot.jobs import stages
from netboot.jobs.memory import Memory, boot_of
from netboot.jobs.stages import BY_A_PERSON, SETS, STARTS, Patience, patience
from netboot.jobs.step import Drive, Ends, Hands, View, Waits
from netboot.lifecycle import Cause
from netboot.model import State
from netboot.stages import Boot, Stage

_VIA = {"pxe": BootTarget.PXE, "http": BootTarget.HTTP, "media": BootTarget.PXE}
_BEGINS = {"media": Rung.VIRTUAL_MEDIA}
"""What ``via`` in a request says of the ladder: by ``media`` the network is reached from a CD."""
LOOK_AGAIN = 600.0
"""Seconds until a job is looked at that an event of its machine would wake."""
CONFIRMS_EVERY = 15.0
"""Seconds between two readings of a BMC whose machine was heard: only Once is left to clear."""
EJECTS_WITHIN = 600.0
"""Seconds from a machine's last sign until its job ends though its virtual CD is not out."""
IN_HAND = 15.0
"""Seconds between two looks at what an operator does who has the machine in hand."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the boot is for.

    Attributes:
        over: the end, where what is wanted came true, or cannot any more; given the boot as far as
            the machine was heard since it was restarted.
        states: of a node that such a job is under way for.
    """

    over: Callable[[View, Boot | None], Ends | None]
    states: frozenset[State]


def plan_boot(view: View, aim: Aim, now: float) -> Waits | Ends | Drive:
    """What to do now."""
    memory = view.memory
    boot = boot_of(memory.watched) if memory.heard or not _drives(view) else None
    if end := aim.over(view, boot):
        return _without_cd(view, end, now)
    if memory.loop == "failed":
        return failed(view, aim, memory.words)
    if _drives(view) and not view.driven:
        return Drive(goal_of(view))
    return _starting(view, aim, now) if boot is None else _watching(view, aim, boot, now)


def _without_cd(view: View, end: Ends, now: float) -> Waits | Ends | Drive:
    """The end, once the virtual CD that the machine came by is out, or is given up."""
    memory = view.memory
    if not _drives(view) or not _came_by_cd(memory):
        return end
    if not view.driven:
        return Drive(goal_of(view))
    limit = memory.watched.last + EJECTS_WITHIN
    if view.pause is None or now >= limit:
        return end
    why = f"its BMC to let go of the virtual CD: {view.pause.why}"
    return Waits(stages.EJECT, why, memory.watched.last, limit, max(now, view.pause.until))


def _came_by_cd(memory: Memory) -> bool:
    """Whether the closed loop, where it goes on, has nothing left to do but to clear up."""
    sets = [step.rung for step in memory.history if step.did is Did.SET]
    boot = boot_of(memory.watched)
    came = memory.heard is not None or (boot is not None and Kind.SCRIPT in boot.seen)
    return came and Rung.VIRTUAL_MEDIA in sets


def failed(view: View, aim: Aim, why: str) -> Ends:
    """The job's end by ``why``, and who else had his hand in it."""
    if meddled := view.memory.meddled:
        at = time.strftime("%H:%M:%S", time.gmtime(meddled.at))
        why = f"{meddled.by} asked for {meddled.asked} at {at} UTC; {why}"
    return Ends(JobState.FAILED, why, Cause.FAIL if view.node.state in aim.states else None)


def _drives(view: View) -> bool:
    """Whether there is something to be done on the BMC, and nobody else has it in hand."""
    has_one = view.hands in (Hands.BMC, Hands.WAKE)
    return has_one and view.memory.loop == "" and view.memory.meddled is None


def goal_of(view: View) -> Goal:
    """What the closed loop is to come to."""
    node, memory = view.node, view.memory
    mac = node.macs[0] if node.macs else node.name
    if view.hands is Hands.WAKE:
        wake = BootOverride(BootTarget.PXE)
        within = stages.BY_HAND
        return Goal(mac, wake, (Rung.CYCLE_ONLY,), reset=PowerAction.ON, within=within)
    via = str(view.job.asked.get("via", "pxe"))
    wanted = BootOverride(_VIA.get(via, BootTarget.PXE))
    return Goal(mac, wanted, memory.rungs, iso_url=memory.iso_url or None, begins=_BEGINS.get(via))


def _starting(view: View, aim: Aim, now: float) -> Waits | Ends:
    """The machine was not heard yet."""
    memory, pause = view.memory, view.pause
    if memory.queued and pause is not None:
        return Waits(stages.POWER_QUEUE, pause.why, memory.begun, None, pause.until)
    if view.hands is not Hands.BMC:
        since = memory.intent.at if memory.intent else memory.begun
        return _unless_late(view, aim, BY_A_PERSON, since, now, why=_sentence(view))
    if (began := _flip_since(memory)) is not None:
        return _unless_late(view, aim, SETS, began, now, why=pause.why if pause else "")
    since = memory.intent.at if memory.intent else memory.begun
    return _unless_late(view, aim, STARTS, since, now)


def _flip_since(memory: Memory) -> float | None:
    """When the present way was begun; None once the machine was restarted for it."""
    for step in reversed(memory.history):
        if step.did is Did.CLIMB:
            return step.at
        if step.did is Did.RESET:
            return None
    return memory.begun


def _sentence(view: View) -> str:
    """What a person must do."""
    name = view.node.name
    if view.hands is Hands.WAKE:
        return f"{name}, which was woken by Wake-on-LAN; if it was on, restart it from the network"
    return f"somebody to switch {name} on, or restart it, and have it boot from the network"


def _watching(view: View, aim: Aim, boot: Boot, now: float) -> Waits | Ends:
    """The machine was heard, and goes from stage to stage."""
    watched, row = view.memory.watched, patience(boot)
    whole = stages.BOOTS_WITHIN if boot.stage <= Stage.PRESEED else stages.ALL_WITHIN
    limit = min(watched.since + row.seconds, watched.first + whole)
    return _unless_late(view, aim, row, watched.since, now, limit=limit)


def _unless_late(
    view: View,
    aim: Aim,
    row: Patience,
    since: float,
    now: float,
    *,
    limit: float | None = None,
    why: str = "",
) -> Waits | Ends:
    """Wait by a row of the table, or end where its time is over."""
    deadline = since + row.seconds if limit is None else limit
    loop_ends_it = row is STARTS and _drives(view)
    if now >= deadline and not loop_ends_it:
        return failed(view, aim, row.expired(view.memory.watched.said))
    meddled = view.memory.meddled
    waits_for = why or row.waits_for
    if meddled is not None:
        waits_for += f" ({meddled.by} asked for {meddled.asked})"
    due = _looked_at(view, now) if loop_ends_it else min(_looked_at(view, now), deadline)
    return Waits(row.stage, waits_for, since, deadline, max(due, now))


def _looked_at(view: View, now: float) -> float:
    """When there is something to look at again, the deadline aside."""
    memory, pause = view.memory, view.pause
    if memory.meddled:
        return now + IN_HAND
    if pause is None or not _drives(view) or (pause.listen and view.hands is Hands.WAKE):
        return now + LOOK_AGAIN
    return max(pause.until, now + CONFIRMS_EVERY) if memory.heard else pause.until
