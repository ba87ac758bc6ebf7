"""A step that sets BIOS attributes: written, taken by a restart, and read back. Pure.

A machine whose attributes are as wanted is not restarted.
"""

from collections.abc import Mapping

from netboot.bmc.goal import Goal, Sign
from netboot.bmc.model import BootOverride, BootTarget, PowerAction, Rung
from netboot.job import JobState
from netboot.jobs import stages
from netboot.jobs.deploy import Value, pairs
from netboot.jobs.power import ON_WITHIN, start
from netboot.jobs.step import Bios, Drive, Ends, Hands, View, Waits

TAKEN_WITHIN = 1_800.0
"""Seconds from the restart until the attributes must be in force: some firmware restarts twice."""
READ_AGAIN = 15.0
"""Seconds between two readings after the restart."""

_NOTHING = BootOverride(BootTarget.NONE)


def plan(view: View, attributes: Mapping[str, Value], now: float) -> Waits | Ends | Drive | Bios:
    """What to do now."""
    memory = view.memory
    if view.hands is not Hands.BMC:
        problem = f"node {view.node.name} has no BMC that may set BIOS attributes and restart it"
        return Ends(JobState.FAILED, problem)
    if memory.loop == "failed":
        return Ends(JobState.FAILED, memory.words)
    if memory.bios == "as-wanted":
        return Ends(JobState.DONE, memory.words)
    if view.driven:
        return _wait(view, attributes, now)
    if memory.bios == "written" and memory.loop == "":
        return Drive(_goal(view), start)
    return Bios(attributes, writes=memory.bios == "")


def _wait(view: View, attributes: Mapping[str, Value], now: float) -> Waits | Ends:
    """The BMC has had this turn."""
    memory, pause = view.memory, view.pause
    if memory.queued and pause is not None:
        return Waits(stages.POWER_QUEUE, pause.why, memory.begun, None, pause.until)
    left = memory.words or pairs(attributes)
    intent = memory.intent if memory.loop == "done" else None
    since, within = (
        (memory.begun, stages.FLIP_WITHIN) if intent is None else (intent.at, TAKEN_WITHIN)
    )
    deadline = since + within
    if now >= deadline:
        done = "it was not restarted" if intent is None else "it was restarted"
        missing = pause.why if pause else f"its BIOS did not come to have {left}"
        return Ends(JobState.FAILED, f"{done}, and in {within:.0f} s {missing}")
    ready = now if intent is None else now + READ_AGAIN
    due = pause.until if pause else ready
    waits_for = pause.why if pause else f"its BIOS to have {left}"
    return Waits(stages.BIOS, waits_for, since, deadline, min(due, deadline))


def _goal(view: View) -> Goal:
    node = view.node
    mac = node.macs[0] if node.macs else node.name
    rungs, cycle = (Rung.CYCLE_ONLY,), PowerAction.CYCLE
    return Goal(mac, _NOTHING, rungs, reset=cycle, sign=Sign.NONE, within=ON_WITHIN)
