"""The end of a job whose virtual CD is still in the BMC: it is taken out first, or given up. Pure.

What is put back is what the job did itself, as its history has it (``netboot.bmc.leaving``).
"""

from dataclasses import replace

from msgspec.structs import replace as with_

from netboot.jobs import stages
from netboot.jobs.booting import CONFIRMS_EVERY, goal_of
from netboot.jobs.memory import Ending, Memory
from netboot.jobs.step import Ends, Hands, PutBack, View, Waits

PUTS_BACK_WITHIN = 300.0
"""Seconds a job that has come to its end waits for its BMC: one is locked during POST."""
_GONE = "the node has no BMC any more"


def held_back(memory: Memory, end: Ends, now: float) -> Memory:
    """The memory of a job that ends so, once its virtual CD is out."""
    ending = Ending(end.state, end.outcome, now, end.cause)
    return with_(memory, ending=ending, queued=False, words="")


def plan(view: View, ending: Ending, now: float) -> Waits | Ends | PutBack:
    """What to do now."""
    end, memory = Ends(ending.state, ending.outcome, ending.cause), view.memory
    if not memory.has_cd:
        return end
    if view.hands is Hands.BMC and not view.driven:
        return PutBack(goal_of(view))
    limit, pause = ending.since + PUTS_BACK_WITHIN, view.pause
    if pause is not None and now < limit:
        why = f"its BMC to let go of the virtual CD: {pause.why}"
        due = min(limit, max(now + CONFIRMS_EVERY, pause.until))
        return Waits(stages.EJECT, why, ending.since, limit, due)
    stays = pause.why if pause else memory.words
    if view.hands is not Hands.BMC:
        stays = _GONE
    return (
        replace(end, outcome=f"{end.outcome}; its virtual CD may stay in: {stays}")
        if stays
        else end
    )
