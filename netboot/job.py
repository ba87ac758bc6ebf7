"""A job: something wanted of one machine that takes longer than a request, and ends in one way.

A job is a row, not a running program: between two turns nobody holds it, so whoever runs the next
turn may be another process than the one that ran the last. Values only, free of I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

STEP = "step-"
"""How the stage of a deploy template's step beside the installation begins."""


class JobKind(StrEnum):
    """What is wanted of the machine."""

    INSTALL = "install"
    INSPECT = "inspect"
    RESCUE = "rescue"
    WIPE = "wipe"
    POWER = "power"


class JobState(StrEnum):
    """How far a job is; the last three are its ends."""

    QUEUED = "queued"
    """Nobody has taken its first turn yet."""
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will be done for it."""
        return self not in (JobState.QUEUED, JobState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it stands.

    Attributes:
        id: counts up; a job's name for people too.
        by: who asked for it.
        asked: what exactly, in the words of the request; nothing secret.
        installation: which of the node's installations it does, 0 for a kind that does none.
        stage: what it is doing, a slug such as ``power-on``; "" before its first turn.
        waits_for: what it waits for, one clause, "" where its next turn is due.
        since: when the stage began; likewise every other time, epoch seconds.
        deadline: when the stage must be over; None for one that has no limit.
        due: when the next turn is to be taken at the latest; an event may bring it forward.
        attempt: how often it was begun: 1, and one more for each retry.
        cancelling: somebody asked to have it cancelled, and a turn is to end it.
        outcome: how it ended, one clause: for a failed one the reason and its usual cause.
        fence: counts the leases; only the holder of the newest may write.
        owner: who holds the lease, None between turns.
    """

    id: int
    node: str
    kind: JobKind
    by: str
    state: JobState
    created: float
    changed: float
    due: float
    asked: Mapping[str, str | int | bool] = field(default_factory=dict)
    installation: int = 0
    stage: str = ""
    waits_for: str = ""
    since: float = 0.0
    deadline: float | None = None
    attempt: int = 1
    cancelling: bool = False
    outcome: str = ""
    ended: float | None = None
    fence: int = 0
    owner: str | None = None
