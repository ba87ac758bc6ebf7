"""What is put back before a goal ends: the Once that no boot used, and the springboard.

Pure, as ``netboot.bmc.plan``, whose last word this has: a goal that ends leaves nothing behind that
would change a later boot, or says what stays.
"""

from collections.abc import Container
from dataclasses import replace

from netboot.bmc.goal import Climb, Done, Eject, Failed, Goal, SetBoot, Wait
from netboot.bmc.history import Came, Did, History, where
from netboot.bmc.model import BootOverride, BootTarget, Observed, Rung

READ_PAUSE = 2.0
"""Seconds between two readings."""
READ_BACK_WITHIN = 15.0
"""Seconds in which an accepted override must show: some BMCs apply it by a task."""
BUSY_PAUSE = 10.0
"""Seconds after a BMC said that it is busy; twice that the second time, and so on."""
CLEAR_TRIES = 3
"""Attempts to clear the Once of a goal that is given up."""
EJECT_TRIES = 6
"""Attempts to take the springboard out again, in 150 seconds: some are locked during POST."""

_ASIDE = "; "
"""Between why a goal ends and what stays."""

Last = Done | Failed | Climb
"""What leaves a rung."""

ACCEPTED = (Came.OK, Came.UNKNOWN)
NOTHING = BootOverride(BootTarget.NONE)
_TARGETS = frozenset(BootTarget) - {BootTarget.NONE}


def put_back(
    goal: Goal, observed: Observed | None, history: History, now: float
) -> SetBoot | Eject | Wait | Failed:
    """The planner of a goal that others gave up: what it left is put back, and no more is done.

    Its ``Failed`` says what stays, "" for nothing.
    """
    readings = where(history, Did.READ)
    away = bool(readings) and readings[-1].came is Came.REFUSED
    step: SetBoot | Eject | Wait | Last
    step = disarmed(goal, observed, history, Failed(""), now, away=away)
    if isinstance(step, Failed):
        step = ejected(goal, observed, history, step, now)
    if isinstance(step, Done | Climb):
        raise TypeError("what is given up is neither done nor goes on")
    return Failed(step.why.removeprefix(_ASIDE)) if isinstance(step, Failed) else step


def disarmed(
    goal: Goal,
    observed: Observed | None,
    history: History,
    failed: Failed,
    now: float,
    *,
    away: bool,
) -> SetBoot | Wait | Failed:
    """Clear the Once that was set for nothing, and only then fail; another's override stays.

    ``away``: the BMC is given up.
    """
    was_set = where(history, Did.SET, *ACCEPTED)
    ours = _TARGETS & {goal.override(event.rung).target for event in was_set if event.rung}
    if not goal.wanted.once or not ours or (observed and not armed(observed, ours)):
        return failed
    if observed is None and not away:
        return Wait(now + READ_PAUSE, "the BMC does not answer")
    tries = where(history[history.index(was_set[-1]) :], Did.CLEAR)
    pause = READ_BACK_WITHIN if tries and tries[-1].came in ACCEPTED else BUSY_PAUSE
    ready = tries[-1].at + pause if tries else now
    refused = tries and tries[-1].came is Came.REFUSED
    if observed is None or refused or (len(tries) >= CLEAR_TRIES and now >= ready):
        return Failed(f"{failed.why}{_ASIDE}{stays(observed)}")
    if now < ready:
        return Wait(min(ready, now + READ_PAUSE), "Once is not cleared yet")
    return SetBoot(was_set[-1].rung or Rung.FULL_BODY, NOTHING, clears=True)


def ejected(
    goal: Goal, observed: Observed | None, history: History, step: Last, now: float
) -> Eject | Wait | Last:
    """Take our springboard out before the virtual media rung is left; one that stays is said.

    A machine that nobody restarted has not started from it yet, so there it stays. What somebody
    else inserted in its place stays too.
    """
    inserted = where(history, Did.SET, rung=Rung.VIRTUAL_MEDIA)
    is_left = not isinstance(step, Climb) or step.rung is Rung.VIRTUAL_MEDIA
    waits = isinstance(step, Done) and goal.reset is None
    if not inserted or not is_left or waits or not goal.has_springboard or _is_out(goal, observed):
        return step
    tries = where(history[history.index(inserted[-1]) :], Did.EJECT)
    last = tries[-1] if tries else None
    if last is None:
        return Eject(Rung.VIRTUAL_MEDIA)
    if last.came is Came.OK:
        return step
    if last.came is Came.REFUSED or len(tries) >= EJECT_TRIES:
        return _with_note(step, f"the springboard ISO stays inserted: {last.words}")
    ready = last.at + BUSY_PAUSE * len(tries)
    return Wait(ready, last.words) if now < ready else Eject(Rung.VIRTUAL_MEDIA)


def _is_out(goal: Goal, observed: Observed | None) -> bool:
    """Whether the BMC shows slots, and the springboard in none."""
    media = observed.media if observed else ()
    ours = goal.iso_url or ""
    return bool(media) and not any(medium.may_hold(ours) for medium in media)


def _with_note(step: Last, note: str) -> Last:
    if isinstance(step, Done):
        return replace(step, note=_ASIDE.join(filter(None, (step.note, note))))
    return replace(step, why=f"{step.why}{_ASIDE}{note}")


def stays(observed: Observed | None) -> str:
    """That Once may not be cleared, for a person."""
    if observed is None:
        return "the BMC could not be asked whether Once is cleared"
    return f"the BMC still reports {spoken(observed)}: its next boot may be the same"


def armed(observed: Observed, targets: Container[BootTarget] = _TARGETS) -> bool:
    """Whether an override is in force, to one of ``targets``."""
    return observed.boot is not None and observed.boot.target in targets


def spoken(observed: Observed) -> str:
    """The override that was read, for a person."""
    boot = observed.boot
    if boot is None or not armed(observed):
        return "no override"
    mode = f" in {boot.mode} mode" if boot.mode else ""
    return f"{boot.target} {'once' if boot.once else 'always'}{mode}"
