"""Install: the machine boots its installer, which calls home. Pure."""

from netboot.job import JobState
from netboot.jobs import deploying
from netboot.jobs.booting import Aim, plan_boot
from netboot.jobs.step import Drive, Ends, Step, View, Waits
from netboot.model import State
from netboot.stages import Boot

_UNDER_WAY = frozenset({State.INSTALLING, State.REINSTALLING})


def plan(view: View, now: float) -> Step:
    """What to do now."""
    return deploying.plan(view, _install, now) if view.memory.steps else _install(view, now)


def _install(view: View, now: float) -> Waits | Ends | Drive:
    return plan_boot(view, _AIM, now)


def _over(view: View, _boot: Boot | None) -> Ends | None:
    """The call home took the node on already: its event did, which no job has to see."""
    node, job = view.node, view.job
    if node.installation != job.installation:
        return Ends(JobState.FAILED, "another installation was asked for since")
    if node.state is State.INSTALLED:
        return Ends(JobState.DONE, "it called home")
    if node.state is State.FAILED and node.because:
        return Ends(JobState.FAILED, node.because)
    if node.state not in _UNDER_WAY:
        said = f"the node is {node.state} by now: it was taken out of its installation"
        return Ends(JobState.FAILED, said)
    return None


_AIM = Aim(_over, _UNDER_WAY)
