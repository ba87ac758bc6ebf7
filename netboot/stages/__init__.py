"""A boot's stages: events flow in; what did not come, and why, flows out.

``table`` says how long each stage may take and why it usually does not come, ``installer`` the same
of an installer's own, ``boot`` folds one machine's events, ``watch`` adds a clock and many
machines. No socket and no clock of its own.
"""

from netboot.stages.boot import Boot, Progress, follow, machine, marks, progress
from netboot.stages.stage import Stage, Wait
from netboot.stages.table import WAITS
from netboot.stages.watch import MAX_MACHINES, StageWatch

__all__ = [
    "MAX_MACHINES",
    "WAITS",
    "Boot",
    "Progress",
    "Stage",
    "StageWatch",
    "Wait",
    "follow",
    "machine",
    "marks",
    "progress",
]
