"""What a check says: one sentence of fact, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, from nothing to what keeps machines from booting."""

    OK = "ok"
    NOTICE = "notice"
    """Worth knowing; also where a check could not look."""
    WARNING = "warning"
    """Some machines will not boot, or only sometimes."""
    PROBLEM = "problem"
    """Machines will not boot."""

    @property
    def bad(self) -> bool:
        """Whether somebody has to do something."""
        return self in (Severity.WARNING, Severity.PROBLEM)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: the check's name.
        what: the fact, with the values that matter.
        cure: what to do, in words or as a command; "" where there is nothing to do.
    """

    check: str
    severity: Severity
    what: str
    cure: str = ""
