"""What a job's asker and its runner hand to the store; no database is imported here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from netboot.errors import OperationError
from netboot.job import Job, JobKind

MAX_KEY = 191
"""Characters of an idempotency key, a node's name not counted."""
MAX_NAME = 255
"""Characters of who asks, and of who runs a turn."""
LONGEST_STAGE = 63
"""Characters of a stage's slug."""
MAX_CLAUSE = 500
"""Characters of what a job waits for, and of how it ended."""
MAX_MEMORY = 262_144
"""Bytes a runner keeps of one job from turn to turn."""

Asked = Mapping[str, str | int | bool]


class Fenced(OperationError):  # noqa: N818 -- its name says what is wrong
    """The job was claimed by another since, or ended: what was to be written is not."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job whose turn is yours.

    Attributes:
        memory: what its runner kept last, b"" at its first turn.
    """

    job: Job
    memory: bytes


@dataclass(frozen=True, slots=True)
class Starts:
    """How many machines may be started, by all replicas together.

    Attributes:
        at_once: between power-on and their first DISCOVER.
        per_window: since ``window`` seconds ago.
    """

    at_once: int
    per_window: int
    window: float


class Full(Enum):
    """Which of the bounds of ``Starts`` is reached."""

    AT_ONCE = auto()
    PER_WINDOW = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands between two turns, in the words of ``Job``.

    Attributes:
        memory: what the next turn must know.
        note: a line for the timeline, "" for none.
    """

    stage: str
    waits_for: str
    since: float
    deadline: float | None
    due: float
    memory: bytes
    note: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for.

    Attributes:
        key: for idempotency; None where each request is one of its own.
        installing: the profiles that install something; None where that is not asked here.
        source: where it stands, for errors.
        time: epoch seconds.
    """

    kind: JobKind
    by: str
    asked: Asked
    source: str
    time: float
    key: str | None = None
    installing: Collection[str] | None = None
