"""Rescue: the machine boots a system in memory, and its disk stays as it is. Pure."""

from netboot.job import JobState
from netboot.jobs.booting import Aim, plan_boot
from netboot.jobs.step import Drive, Ends, View, Waits
from netboot.model import State
from netboot.stages import Boot, Stage

_UNDER_WAY = frozenset({State.RESCUE})


def plan(view: View, now: float) -> Waits | Ends | Drive:
    """What to do now."""
    return plan_boot(view, _AIM, now)


def _over(view: View, boot: Boot | None) -> Ends | None:
    """The rescue system fetched the last that we give it; from then on it says nothing."""
    if view.node.state is not State.RESCUE:
        return Ends(JobState.FAILED, f"the node is {view.node.state} by now: its rescue is over")
    if boot is not None and boot.stage > Stage.PRESEED:
        return Ends(JobState.DONE, "it runs the rescue system")
    return None


_AIM = Aim(_over, _UNDER_WAY)
