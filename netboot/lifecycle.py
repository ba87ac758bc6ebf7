"""The life of a node: which state follows on which, and by what cause. Pure.

``TRANSITIONS`` and ``BACK`` are the whole of it: what is in neither is refused, and the docs are
drawn from them. What interrupts a life, such as rescue, leads back to the state it came from.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from netboot.errors import NetbootError
from netboot.job import JobKind, JobState
from netboot.model import State


class Cause(StrEnum):
    """Why a node comes into another state; ``WORDS`` says it in full."""

    REGISTERED = "registered"
    ADOPTED = "adopted"
    REMOVED = "removed"
    INSPECT = "inspect"
    INSPECTED = "inspected"
    INSTALL = "install"
    REINSTALL = "reinstall"
    SCRIPT = "script"
    CALLED_HOME = "called-home"
    WIPE = "wipe"
    WIPED = "wiped"
    FAIL = "fail"
    CANCEL = "cancel"
    BREAK_OFF = "break-off"
    RESCUE = "rescue"
    MAINTAIN = "maintain"
    RESUME = "resume"
    HAND_BACK = "hand-back"
    RETIRE = "retire"


WORDS: Mapping[Cause, str] = {
    Cause.REGISTERED: "registered",
    Cause.ADOPTED: "said to have its system",
    Cause.REMOVED: "removed",
    Cause.INSPECT: "inspection asked for",
    Cause.INSPECTED: "its BMC said what it is",
    Cause.INSTALL: "installation asked for",
    Cause.REINSTALL: "reinstallation asked for, which erases it",
    Cause.SCRIPT: "given its installer",
    Cause.CALLED_HOME: "called home",
    Cause.WIPE: "wipe asked for",
    Cause.WIPED: "its BMC says that its disks are erased",
    Cause.FAIL: "failed",
    Cause.CANCEL: "cancelled before its disk was touched",
    Cause.BREAK_OFF: "cancelled when its disk was touched already",
    Cause.RESCUE: "rescue asked for",
    Cause.MAINTAIN: "put into maintenance",
    Cause.RESUME: "put back into service",
    Cause.HAND_BACK: "handed back as it is",
    Cause.RETIRE: "taken out of service",
}
"""What each cause is, after the node's name."""

ERASING = frozenset({State.INSTALLING, State.REINSTALLING, State.WIPING})
"""States in which what the machine boots may erase its disk, since somebody asked for that."""
PAUSES = frozenset({State.RESCUE, State.MAINTENANCE})
"""States that interrupt a life; what the machine did before still counts for what comes after."""
AT_REST = (State.ENROLLED, State.AVAILABLE, State.INSTALLED, State.FAILED)
"""States in which nothing is under way."""
_BARE = (State.ENROLLED, State.INSPECTING, State.AVAILABLE, State.FAILED)
_INSTALLS = (State.INSTALLING, State.REINSTALLING)


def _each(states: Iterable[State], cause: Cause, to: State) -> dict[tuple[State, Cause], State]:
    return {(state, cause): to for state in states}


TRANSITIONS: Mapping[tuple[State, Cause], State] = {
    (State.DISCOVERED, Cause.REGISTERED): State.ENROLLED,
    (State.DISCOVERED, Cause.ADOPTED): State.INSTALLED,
    **_each((*AT_REST, *_INSTALLS), Cause.ADOPTED, State.INSTALLED),
    **_each((State.ENROLLED, State.AVAILABLE), Cause.INSPECT, State.INSPECTING),
    (State.INSPECTING, Cause.INSPECTED): State.AVAILABLE,
    **_each(_BARE, Cause.INSTALL, State.INSTALLING),
    **{(state, Cause.INSTALL): state for state in _INSTALLS},
    (State.INSTALLED, Cause.REINSTALL): State.REINSTALLING,
    (State.ENROLLED, Cause.SCRIPT): State.INSTALLING,
    **_each((*AT_REST, *_INSTALLS), Cause.CALLED_HOME, State.INSTALLED),
    (State.INSTALLING, Cause.CANCEL): State.AVAILABLE,
    (State.REINSTALLING, Cause.CANCEL): State.INSTALLED,
    **_each((*AT_REST, State.INSPECTING), Cause.WIPE, State.WIPING),
    (State.WIPING, Cause.CALLED_HOME): State.AVAILABLE,
    (State.WIPING, Cause.WIPED): State.AVAILABLE,
    **_each((*_INSTALLS, State.WIPING), Cause.FAIL, State.FAILED),
    **_each((*_INSTALLS, State.WIPING), Cause.BREAK_OFF, State.FAILED),
    **_each((*AT_REST, State.INSPECTING), Cause.RESCUE, State.RESCUE),
    **_each((*AT_REST, *_INSTALLS), Cause.MAINTAIN, State.MAINTENANCE),
    **_each((*AT_REST, *_INSTALLS), Cause.HAND_BACK, State.AVAILABLE),
    **_each((*AT_REST, State.MAINTENANCE), Cause.RETIRE, State.RETIRED),
    (State.RETIRED, Cause.RESUME): State.AVAILABLE,
    **_each((one for one in State if one is not State.DISCOVERED), Cause.REMOVED, State.DISCOVERED),
}
"""What each cause makes of each state. Where both are the same, nothing happens."""

BACK = frozenset(
    {
        (State.INSPECTING, Cause.FAIL),
        (State.INSPECTING, Cause.CANCEL),
        (State.WIPING, Cause.CANCEL),
        (State.RESCUE, Cause.FAIL),
        (State.RESCUE, Cause.CANCEL),
        (State.RESCUE, Cause.RESUME),
        (State.MAINTENANCE, Cause.RESUME),
    }
)
"""What leads back to the state that this one was entered from."""

ASKED = frozenset(
    {
        Cause.REGISTERED,
        Cause.ADOPTED,
        Cause.INSPECT,
        Cause.INSTALL,
        Cause.REINSTALL,
        Cause.WIPE,
        Cause.RESCUE,
        Cause.MAINTAIN,
        Cause.RESUME,
        Cause.HAND_BACK,
        Cause.RETIRE,
        Cause.REMOVED,
    }
)
"""What people ask for; the other causes are news of a machine or of a job."""

BEGINS: Mapping[JobKind, Cause] = {
    JobKind.INSTALL: Cause.INSTALL,
    JobKind.INSPECT: Cause.INSPECT,
    JobKind.RESCUE: Cause.RESCUE,
    JobKind.WIPE: Cause.WIPE,
}
"""By which cause a job of each kind begins; ``POWER`` changes no state."""
BESIDE = frozenset({JobKind.INSPECT, JobKind.POWER})
"""Kinds of jobs that leave the disk alone, so that they may run beside one that does not."""

UNDER_WAY: Mapping[JobKind, frozenset[State]] = {
    JobKind.INSTALL: frozenset({State.INSTALLING, State.REINSTALLING}),
    JobKind.INSPECT: frozenset({State.INSPECTING}),
    JobKind.RESCUE: frozenset({State.RESCUE}),
    JobKind.WIPE: frozenset({State.WIPING}),
    JobKind.POWER: frozenset(),
}
"""The states that a job of each kind brings its node to."""

_SAID: Mapping[State, str] = {
    State.DISCOVERED: "nobody registered it",
    State.ENROLLED: "it is registered, and no more",
    State.INSPECTING: "its BMC is being asked what it is",
    State.AVAILABLE: "it is free",
    State.INSTALLING: "it is being installed",
    State.REINSTALLING: "it is being installed again",
    State.INSTALLED: "it is installed",
    State.RESCUE: "it boots the rescue system",
    State.WIPING: "its disk is being erased",
    State.FAILED: "what was done to it last failed",
    State.MAINTENANCE: "somebody works on it",
    State.RETIRED: "it is out of service",
}


class Illegal(NetbootError):  # noqa: N818 -- its name says what is wrong
    """What a state does not allow; the text says why, and what can be asked for instead."""

    def __init__(self, state: State, wanted: Cause | JobKind) -> None:
        allowed = ", ".join(cause for cause in causes(state) if cause in ASKED)
        super().__init__(f"{_SAID[state]} ({state}): {wanted} is refused; allowed: {allowed}")


def after(state: State, cause: Cause, came_from: State | None = None) -> State:
    """The state that follows.

    Args:
        state: the one it is in.
        cause: what takes it on.
        came_from: the state before; None, where that is not known, counts as ``AVAILABLE``.

    Raises:
        Illegal: none does.
    """
    if (state, cause) in BACK:
        return came_from or State.AVAILABLE
    try:
        return TRANSITIONS[state, cause]
    except KeyError:
        raise Illegal(state, cause) from None


def origin(state: State, came_from: State | None) -> State | None:
    """Where what follows on ``state`` came from, and may lead back to.

    An inspection that is interrupted is not come back to: its job goes on beside what interrupts
    it, and ends without a word of the state.

    Args:
        state: the one that is left.
        came_from: the state before that.
    """
    return came_from if state is State.INSPECTING else state


def causes(state: State) -> list[Cause]:
    """What can take a node on from this state, in the order of ``Cause``."""
    return [cause for cause in Cause if _is_legal(state, cause)]


def beginning(state: State, kind: JobKind) -> Cause | None:
    """By which cause a job begins; None where it leaves the state alone.

    One that leaves the disk alone may begin in any state but maintenance.

    Raises:
        Illegal: none of this kind may begin in this state.
    """
    cause = BEGINS.get(kind)
    if kind is JobKind.INSTALL and state is State.INSTALLED:
        cause = Cause.REINSTALL
    if cause is not None and _is_legal(state, cause):
        return cause
    if kind in BESIDE and state not in (State.MAINTENANCE, State.DISCOVERED):
        return None
    raise Illegal(state, cause or kind)


def ending(state: State, kind: JobKind, how: JobState, cause: Cause | None) -> Cause | None:
    """What the end of a job is to its node; None where it leaves the state alone.

    Args:
        state: the node's.
        kind: the job's.
        how: its end.
        cause: as its runner says. One that failed without a word of its node, which still is in
            the state that the job brought it to, has failed for that node too.
    """
    own = state in UNDER_WAY[kind]
    if kind in BESIDE and not own:
        return None
    return Cause.FAIL if own and cause is None and how is JobState.FAILED else cause


def _is_legal(state: State, cause: Cause) -> bool:
    return (state, cause) in TRANSITIONS or (state, cause) in BACK
