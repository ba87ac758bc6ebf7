"""An installation by a deploy template: its steps in order, each a stage of the job. Pure."""

from dataclasses import replace

from netboot.bmc.model import PowerAction
from netboot.job import STEP, JobState
from netboot.jobs import bios, inspect, power, stages
from netboot.jobs.booting import IN_HAND
from netboot.jobs.deploy import INSTALL, Do
from netboot.jobs.memory import Memory
from netboot.jobs.step import Ends, Hands, Next, Plan, Step, View, Waits
from netboot.lifecycle import UNDER_WAY, Cause
from netboot.model import State


def plan(view: View, install: Plan, now: float) -> Step:
    """What to do now.

    Args:
        view: of a job whose memory has steps.
        install: the planner of the step that installs.
        now: epoch seconds.
    """
    step = view.memory.steps[view.memory.at]
    if step.do is Do.INSTALL:
        return _come(view, install(view, now))
    if end := _left_out(view):
        return end
    found = _in_hand(view, now) or _planned(view, now)
    if isinstance(found, Waits):
        return replace(found, stage=stage(view.memory))
    if isinstance(found, Ends) and found.state is JobState.FAILED:
        cause = Cause.FAIL if view.node.state in UNDER_WAY[view.job.kind] else None
        return Ends(JobState.FAILED, f"{_said(view.memory)}: {found.outcome}", cause)
    return _come(view, found)


def stage(memory: Memory) -> str:
    """The slug of the step that is under way."""
    return f"{STEP}{memory.at + 1}-{memory.steps[memory.at].do}"


def _in_hand(view: View, now: float) -> Waits | Ends | None:
    """While an operator has the machine's power in hand, no step is taken."""
    if (meddled := view.memory.meddled) is None:
        return None
    deadline = meddled.at + stages.BY_HAND
    who = f"{meddled.by}, who asked for {meddled.asked}"
    if now >= deadline:
        return Ends(JobState.FAILED, f"it was left to {who}")
    return Waits("", who, meddled.at, deadline, min(now + IN_HAND, deadline))


def _planned(view: View, now: float) -> Step:
    step = view.memory.steps[view.memory.at]
    if step.do is Do.INSPECT:
        return inspect.plan(view, now)
    if step.do is Do.BIOS:
        return bios.plan(view, step.attributes, now)
    if view.hands is Hands.PERSON and view.job.asked.get("power") is False:
        return Ends(JobState.FAILED, "it was asked for with power left to a person")
    asked = {"action": step.action or PowerAction.CYCLE}
    return power.plan(replace(view, job=replace(view.job, asked=asked)), now)


def _come(view: View, found: Step) -> Step:
    """Where a step is done, the next one follows; after the last one the job is done."""
    if not isinstance(found, Ends) or found.state is not JobState.DONE:
        return found
    memory = view.memory
    if memory.at + 1 < len(memory.steps):
        return Next(f"{_said(memory)} is done: {found.outcome}")
    if memory.steps[memory.at] == INSTALL:
        return found
    count, name = len(memory.steps), memory.template
    return Ends(JobState.DONE, f"it called home, and all {count} steps of {name} are done")


def _left_out(view: View) -> Ends | None:
    """The end where the node is not as it must be for a step beside its installation."""
    memory, node, job = view.memory, view.node, view.job
    said, same = _said(memory), node.installation == job.installation
    if INSTALL in memory.steps[memory.at :]:
        if same and node.state in UNDER_WAY[job.kind]:
            return None
        came = "it called home" if node.state is State.INSTALLED else f"it is {node.state} by now"
        return Ends(JobState.FAILED, f"{came} before {said} was done; ask for it again")
    if not same or node.state is not State.INSTALLED:
        return Ends(JobState.FAILED, f"the node is {node.state} by now; {said} was left out")
    if job.cancelling:
        return Ends(JobState.DONE, f"it called home; {said} was cancelled")
    return None


def _said(memory: Memory) -> str:
    step = memory.steps[memory.at]
    return f"step {memory.at + 1} of {len(memory.steps)} ({step})"
