"""Power: on, off, shutdown, cycle or reset as a job, which a restart of ours cannot lose. Pure."""

from netboot.bmc.goal import Action, Done, Failed, Goal, Sign, Wait
from netboot.bmc.goal import Power as Change
from netboot.bmc.history import Came, Did, Event, History, outcome, where
from netboot.bmc.leaving import BUSY_PAUSE, READ_PAUSE
from netboot.bmc.model import BootOverride, BootTarget, Observed, PowerAction, PowerState, Rung
from netboot.bmc.plan import RESET_TRIES
from netboot.bmc.plan import plan as restart
from netboot.job import JobState
from netboot.jobs import stages
from netboot.jobs.step import Drive, Ends, Hands, View, Waits

ON_WITHIN = 120.0
"""Seconds in which a machine that was started must be on."""
OFF_WITHIN = 60.0
"""Seconds in which a machine that was switched off must be off."""
SHUTDOWN_WITHIN = 600.0
"""Seconds its system may take to shut down."""
POWER_WITHIN = 900.0
"""Seconds until a BMC must have taken it, whatever happens."""

_DONE = {
    PowerAction.ON: "switched on",
    PowerAction.OFF: "switched off",
    PowerAction.SHUTDOWN: "shut down",
    PowerAction.CYCLE: "power-cycled",
    PowerAction.RESET: "reset",
}
_STOPS = {PowerAction.OFF: OFF_WITHIN, PowerAction.SHUTDOWN: SHUTDOWN_WITHIN}
_NOTHING = BootOverride(BootTarget.NONE)


def plan(view: View, now: float) -> Waits | Ends | Drive:
    """What to do now."""
    memory, pause = view.memory, view.pause
    action = PowerAction(str(view.job.asked.get("action", PowerAction.CYCLE)))
    if end := _over(view, action):
        return end
    if not view.driven:
        return Drive(_goal(view, action), stop if action in _STOPS else start)
    deadline, why = memory.begun + POWER_WITHIN, pause.why if pause else "its BMC"
    if memory.queued and pause is not None:
        return Waits(stages.POWER_QUEUE, why, memory.begun, None, pause.until)
    if now >= deadline:
        return Ends(JobState.FAILED, f"its BMC did not {action}: {why}")
    due = min(pause.until if pause else now, deadline)
    return Waits(stages.POWER, why, memory.begun, deadline, due)


def _over(view: View, action: PowerAction) -> Ends | None:
    memory, name = view.memory, view.node.name
    if view.hands is Hands.NOBODY:
        problem = f"node {name} has no BMC; `netboot node set {name} --bmc URL` says where"
        return Ends(JobState.FAILED, problem)
    if memory.loop == "failed":
        return Ends(JobState.FAILED, memory.words)
    if memory.loop == "done":
        return Ends(JobState.DONE, memory.told or memory.words or _done(view, action))
    return None


def start(
    goal: Goal, observed: Observed | None, history: History, now: float
) -> Action | Done | Failed:
    """The closed loop's planner for what starts a machine; one that is on is not switched on."""
    on = observed is not None and observed.power is PowerState.ON
    if goal.reset is PowerAction.ON and on and not where(history, Did.RESET):
        return Done(Rung.CYCLE_ONLY, "is on already")
    return restart(goal, observed, history, now)


def stop(
    goal: Goal, observed: Observed | None, history: History, now: float
) -> Change | Wait | Done | Failed:
    """The closed loop's planner for what stops a machine.

    To switch off what is still on harms nothing, so a lost reply is followed by another try.
    """
    action = goal.reset or PowerAction.OFF
    intents = where(history, Did.RESET, Came.INTENT)
    if observed is None:
        return Wait(now + READ_PAUSE, "the BMC does not answer")
    if observed.power is PowerState.OFF:
        return Done(Rung.CYCLE_ONLY, "" if intents else "is off already")
    if not intents:
        return Change(Rung.CYCLE_ONLY, action)
    return _stopping(goal, observed, history, intents, now)


def _stopping(
    goal: Goal, observed: Observed, history: History, intents: list[Event], now: float
) -> Change | Wait | Done | Failed:
    """It was asked for, and the machine does not read off."""
    action = goal.reset or PowerAction.OFF
    reply = outcome(history, intents[-1])
    came = reply.came if reply else Came.UNKNOWN
    if reply and came is Came.REFUSED:
        return Failed(reply.words)
    if came is Came.OK and observed.power is PowerState.UNKNOWN:
        return Done(Rung.CYCLE_ONLY, f"{action} was taken; nobody can read whether it is off")
    if now < intents[-1].at + (BUSY_PAUSE if came is Came.BUSY else goal.within):
        return Wait(now + READ_PAUSE, "the machine to be off")
    if came is Came.OK or len(intents) >= RESET_TRIES:
        return Failed(f"accepted, but it is not off after {goal.within:.0f} s")
    return Change(Rung.CYCLE_ONLY, action)


def _goal(view: View, action: PowerAction) -> Goal:
    node = view.node
    mac = node.macs[0] if node.macs else node.name
    within = _STOPS.get(action, ON_WITHIN)
    rungs = (Rung.CYCLE_ONLY,)
    return Goal(mac, _NOTHING, rungs, reset=action, sign=Sign.NONE, within=within)


def _done(view: View, action: PowerAction) -> str:
    """What was done; a machine that was off was not cycled but switched on."""
    intent = view.memory.intent
    return _DONE[(intent.action if intent else None) or action]
