"""Inspect: the BMC says what the machine is. Pure."""

from netboot.bmc.closed_loop import Pause
from netboot.job import JobState
from netboot.jobs import stages
from netboot.jobs.step import Ends, Hands, Inspect, View, Waits
from netboot.lifecycle import Cause
from netboot.model import State

ASK_AGAIN = 10.0
"""Seconds until a BMC that is busy is asked again."""


def plan(view: View, now: float) -> Waits | Ends | Inspect:
    """What to do now."""
    memory = view.memory
    inspecting = view.node.state is State.INSPECTING
    if memory.loop == "done":
        return Ends(JobState.DONE, memory.words, Cause.INSPECTED if inspecting else None)
    fail = Cause.FAIL if inspecting else None
    if view.hands in (Hands.NOBODY, Hands.PERSON):
        return Ends(JobState.FAILED, f"node {view.node.name} has no BMC that could be asked", fail)
    if memory.loop == "failed":
        return Ends(JobState.FAILED, memory.words, fail)
    if not view.driven:
        return Inspect()
    pause = view.pause or Pause(now + ASK_AGAIN, "its BMC")
    deadline = memory.begun + stages.INSPECT_WITHIN
    if now >= deadline:
        said = f"its BMC did not say what the machine is in {stages.INSPECT_WITHIN:.0f} s"
        return Ends(JobState.FAILED, f"{said}: {pause.why}", fail)
    return Waits(stages.INSPECT, pause.why, memory.begun, deadline, min(pause.until, deadline))
