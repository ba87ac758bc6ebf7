"""What a job's planner answers: wait, end, or take a turn on the BMC. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from netboot.bmc.closed_loop import Pause, Planner
from netboot.bmc.goal import Goal
from netboot.bmc.plan import plan
from netboot.job import Job, JobState
from netboot.jobs.deploy import Value
from netboot.jobs.memory import Memory
from netboot.lifecycle import Cause
from netboot.model import Node


class Hands(Enum):
    """Who can switch the machine."""

    NOBODY = "nobody"
    """It has no BMC: whoever stands beside it."""
    PERSON = "person"
    """Whoever stands beside it, and is told."""
    WAKE = "wake"
    """Wake-on-LAN: it can be switched on, and nothing else."""
    BMC = "bmc"


@dataclass(frozen=True, slots=True)
class View:
    """All a planner looks at.

    Attributes:
        driven: the BMC has had this turn.
        pause: what the BMC is waited for, if anything.
    """

    job: Job
    node: Node
    hands: Hands
    memory: Memory
    driven: bool = False
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """Nothing is to be done before ``due``, unless an event comes; in the words of ``Job``.

    ``note`` is written into the timeline before that.
    """

    stage: str
    waits_for: str
    since: float
    deadline: float | None
    due: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ends:
    """The job is over; ``cause`` is what that is to the node, None where nothing."""

    state: JobState
    outcome: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """Take a turn of the closed loop towards ``goal``."""

    goal: Goal
    planner: Planner = plan


@dataclass(frozen=True, slots=True)
class PutBack:
    """Put back what was done on the BMC for ``goal``, which is given up."""

    goal: Goal


@dataclass(frozen=True, slots=True)
class Inspect:
    """Ask the BMC what the machine is, and keep it."""


@dataclass(frozen=True, slots=True)
class Bios:
    """Compare BIOS attributes with what they must be, and write those that differ."""

    attributes: Mapping[str, Value]
    writes: bool


@dataclass(frozen=True, slots=True)
class Next:
    """A step of the deploy template is done; ``said`` is how, one clause."""

    said: str


OnBmc = Drive | PutBack | Inspect | Bios
Step = Waits | Ends | Next | OnBmc
Plan = Callable[[View, float], Step]
"""``plan(view, now)``, pure; asked again with ``driven`` after the BMC's turn, it waits or ends."""
