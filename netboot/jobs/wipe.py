"""Wipe: the machine boots what erases its disks, which calls home. Pure."""

from netboot.job import JobState
from netboot.jobs.booting import Aim, plan_boot
from netboot.jobs.step import Drive, Ends, View, Waits
from netboot.model import State
from netboot.stages import Boot

_UNDER_WAY = frozenset({State.WIPING})


def plan(view: View, now: float) -> Waits | Ends | Drive:
    """What to do now."""
    return plan_boot(view, _AIM, now)


def _over(view: View, _boot: Boot | None) -> Ends | None:
    """The call home took the node on already."""
    if view.node.state is State.AVAILABLE:
        return Ends(JobState.DONE, "its disks are erased: it called home")
    if view.node.state is not State.WIPING:
        return Ends(JobState.FAILED, f"the node is {view.node.state} by now: its wipe is over")
    return None


_AIM = Aim(_over, _UNDER_WAY)
