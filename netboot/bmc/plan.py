"""What to do next to make a machine boot as wanted, and to know that it did.

::

    read ─▶ set the override ─▶ read it back ─▶ reset ─▶ hear the machine ─▶ Once cleared ─▶ done
              ▲       │refused       │not taken             │silent
              └───────┴── next rung ─┴──────────────────────┘

``plan`` is pure: the same goal, reading, history and time give the same answer, and the caller does
one thing, writes down what came of it, reads again and asks again. Every wait has an end.

A reset is never repeated blindly. Its intent is written first. If no reply came, it counts as done
only by evidence (another LastResetTime, another power state, the machine heard), and as not done
only by evidence (a LastResetTime that stayed, a machine that stayed off). With neither, ``plan``
listens until the deadline and then gives up rather than reset a machine that may be installing.

Who ends leaves nothing behind (``netboot.bmc.leaving``): a Once that no boot has used is cleared
before ``Failed``, and a springboard is taken out before either end.
"""

from netboot.bmc.goal import (
    Action,
    Climb,
    Done,
    Failed,
    Goal,
    Listen,
    Power,
    SetBoot,
    Sign,
    Wait,
)
from netboot.bmc.history import (
    Came,
    Did,
    Event,
    History,
    happened,
    last_reset_before,
    outcome,
    unreadable,
    where,
)
from netboot.bmc.leaving import (
    ACCEPTED,
    BUSY_PAUSE,
    NOTHING,
    READ_BACK_WITHIN,
    READ_PAUSE,
    armed,
    disarmed,
    ejected,
    spoken,
    stays,
)
from netboot.bmc.model import BootOverride, BootTarget, Observed, PowerAction, PowerState, Rung

LISTEN_SLICE = 15.0
"""Seconds to listen before the BMC is read again."""
BUSY_TRIES = 4
RESET_TRIES = 3
"""Changes of power in one rung, also those a busy BMC did not take."""
RESET_SHOWS_WITHIN = 60.0
"""Seconds after which a reset that happened shows in LastResetTime or power state."""
OFF_SETTLES = 30.0
"""Seconds a machine may be off in the midst of a power cycle before it is switched on."""
UNREADABLE_WITHIN = 420.0
"""Seconds without a reading: a BMC that restarts is away for minutes."""
CLEARED_WITHIN = 60.0
"""Seconds after the machine's first packet in which Once must be cleared."""


def plan(
    goal: Goal, observed: Observed | None, history: History, now: float
) -> Action | Done | Failed:
    """The next thing to do.

    Args:
        goal: what is wanted.
        observed: a reading taken just now; None if the BMC could not be read.
        history: all that was done for this goal, readings included.
        now: epoch seconds.
    """
    step = _next(goal, observed, history, now)
    if isinstance(step, Failed):
        away = _away(history, now) is not None
        step = disarmed(goal, observed, history, step, now, away=away)
    if isinstance(step, Done | Failed | Climb):
        return ejected(goal, observed, history, step, now)
    return step


def _next(
    goal: Goal, observed: Observed | None, history: History, now: float
) -> Action | Done | Failed:
    heard = where(history, Did.LISTEN, Came.OK)
    if heard:
        return _confirm(goal, observed, history, heard[0], now)
    if observed is None and (away := _away(history, now)):
        return away
    fallen = where(history, Did.CLIMB)
    given_up = {event.rung for event in fallen}
    rung = next((rung for rung in goal.usable() if rung not in given_up), None)
    if rung is None and goal.rungs is not None:
        tried = "; ".join(f"{event.rung}: {event.words}" for event in fallen)
        by = f" by {goal.begins}" if goal.begins else ""
        return Failed(tried or f"this BMC has no way to do it{by}")
    intents = where(history, Did.RESET, Came.INTENT, rung=rung) if rung else []
    if intents:
        return _after_reset(goal, observed, history, intents, now)
    if observed is None or rung is None:
        return Wait(now + READ_PAUSE, "the BMC does not answer")
    return _set(goal, rung, observed, history, now) or _first_reset(goal, rung, observed, history)


def took(wanted: BootOverride, read: BootOverride | None) -> bool:
    """Whether a read-back shows what was set; a BMC that does not say is believed.

    Once that reads Continuous has taken too: it is cleared after the boot.
    """
    if read is None:
        return True
    if wanted.target is BootTarget.NONE:
        return read.target is BootTarget.NONE
    return (
        read.target is wanted.target
        and (wanted.once or not read.once)
        and (None in (wanted.mode, read.mode) or read.mode is wanted.mode)
        and (wanted.target is not BootTarget.HTTP or _same_url(wanted.url, read.url))
    )


def _same_url(wanted: str | None, read: str | None) -> bool:
    return None in (wanted, read) or wanted == read


def _inserted(rung: Rung, observed: Observed) -> bool:
    if rung is not Rung.VIRTUAL_MEDIA or not observed.media:
        return True
    return any(medium.inserted for medium in observed.media)


def _set(
    goal: Goal, rung: Rung, observed: Observed, history: History, now: float
) -> SetBoot | Wait | Climb | None:
    """The override of ``rung``: set, wait or give up; None when it is in force."""
    override = goal.override(rung)
    attempts = where(history, Did.SET, rung=rung)
    if rung is Rung.CYCLE_ONLY or (attempts and _in_force(rung, override, observed, attempts[-1])):
        return None
    if not attempts:
        return SetBoot(rung, override)
    last = attempts[-1]
    if last.came in ACCEPTED and now < last.at + READ_BACK_WITHIN:
        return Wait(now + READ_PAUSE, "the override does not show yet")
    if last.came is Came.OK:
        return Climb(rung, f"accepted, but the BMC reports {spoken(observed)}")
    if last.came is Came.REFUSED or len(attempts) >= BUSY_TRIES:
        return Climb(rung, last.words)
    ready = last.at + BUSY_PAUSE * len(attempts)
    return Wait(ready, last.words) if now < ready else SetBoot(rung, override)


def _in_force(rung: Rung, override: BootOverride, observed: Observed, last: Event) -> bool:
    """Whether the BMC took what was set last, and shows it."""
    return last.came in ACCEPTED and took(override, observed.boot) and _inserted(rung, observed)


def _first_reset(
    goal: Goal, rung: Rung, observed: Observed, history: History
) -> Power | Listen | Done:
    """Restart the machine for ``rung``, unless it was heard late from the rung before."""
    if goal.reset is None:
        lasts = goal.wanted.once and armed(observed) and not _is_once(observed)
        return Done(rung, f"the BMC reports {spoken(observed)}, not once" if lasts else "")
    earlier = where(history, Did.RESET, Came.INTENT)
    if earlier:
        given_up = where(history, Did.CLIMB)[-1]
        if not where(history[history.index(given_up) :], Did.LISTEN):
            return Listen(earlier[-1].rung or rung, earlier[-1].at, given_up.at)
    return Power(rung, _restart(observed.power, goal.reset))


def _restart(power: PowerState, reset: PowerAction) -> PowerAction:
    return PowerAction.ON if power is PowerState.OFF else reset


def _after_reset(
    goal: Goal, observed: Observed | None, history: History, intents: list[Event], now: float
) -> Action | Done | Failed:
    """A reset was asked for in this rung: repeat it, listen, go on or give up."""
    intent = intents[-1]
    rung = intent.rung or Rung.CYCLE_ONLY
    if mend := _mend(goal, observed, history, intents, now):
        return mend
    done = happened(history, intent)
    on = observed is None or observed.power is not PowerState.OFF
    if done and goal.sign is Sign.NONE and on:
        return Done(rung)
    read = where(history, Did.FETCH, since=intent.at)
    deadline = (read or [intent])[-1].at + goal.within
    if now < deadline:
        return Listen(rung, intent.at, min(deadline, now + LISTEN_SLICE))
    if done:
        return Climb(rung, silence(goal, rung, was_read=bool(read)))
    return Failed(
        f"the reply to {intent.action} was lost, and in {goal.within:.0f} s neither LastResetTime, "
        f"power state nor a DISCOVER from {goal.mac} showed whether it happened; not repeated"
    )


def _mend(
    goal: Goal, observed: Observed | None, history: History, intents: list[Event], now: float
) -> Power | Wait | Failed | None:
    """The reset once more, on evidence that it is needed; None when it is not."""
    intent = intents[-1]
    why, ready = _needed_again(observed, history, intents, now)
    if why is None:
        return None
    reply = outcome(history, intent)
    if len(intents) >= RESET_TRIES or (reply and reply.came is Came.REFUSED):
        return Failed(why)  # every rung restarts the machine in this way
    if observed is None or now < ready:
        return Wait(max(ready, now + READ_PAUSE), why)
    return Power(
        intent.rung or Rung.CYCLE_ONLY, _restart(observed.power, goal.reset or PowerAction.CYCLE)
    )


def _needed_again(
    observed: Observed | None, history: History, intents: list[Event], now: float
) -> tuple[str | None, float]:
    """Why the reset must be repeated, and not before when; None where nothing shows that."""
    intent = intents[-1]
    reply = outcome(history, intent)
    if reply and reply.came in (Came.BUSY, Came.REFUSED):
        words = f"the BMC does not {intent.action}: {reply.words}"
        return words, reply.at + BUSY_PAUSE * len(intents)
    if observed is None:
        return None, now
    if happened(history, intent):
        off = observed.power is PowerState.OFF and now >= intent.at + OFF_SETTLES
        return ("the machine does not stay on" if off else None), now
    if now >= intent.at + RESET_SHOWS_WITHIN and _did_not(observed, history, intent):
        return f"the reply to {intent.action} was lost and the machine did not change", now
    return None, now


def _did_not(observed: Observed, history: History, intent: Event) -> bool:
    """Whether this reading, taken long enough after ``intent``, shows that nothing changed."""
    if intent.action is PowerAction.ON:
        return observed.power is PowerState.OFF
    before = last_reset_before(history, intent)
    return before is not None and observed.last_reset == before


def _away(history: History, now: float) -> Failed | None:
    """Failed when the BMC refuses us, or has not been readable for too long."""
    bad = unreadable(history)
    if not bad:
        return None
    if bad[-1].came is Came.REFUSED:
        return Failed(bad[-1].words)
    away = now - bad[0].at
    if away < UNREADABLE_WITHIN:
        return None
    return Failed(f"the BMC has not answered for {away:.0f} s: {bad[-1].words}")


def _confirm(
    goal: Goal, observed: Observed | None, history: History, heard: Event, now: float
) -> SetBoot | Wait | Done:
    """The machine was heard: see that Once is cleared, or clear it."""
    rung = heard.rung or Rung.CYCLE_ONLY
    was_set = where(history, Did.SET, *ACCEPTED)
    if not goal.wanted.once or not was_set or (observed and not armed(observed)):
        return Done(rung)
    cleared = where(history, Did.CLEAR, since=heard.at)
    if now < (cleared or [heard])[-1].at + CLEARED_WITHIN:
        return Wait(now + READ_PAUSE, "Once is not cleared yet")
    if observed is None:
        return Done(rung, stays(observed))
    if not cleared:
        return SetBoot(was_set[-1].rung or rung, NOTHING, clears=True)
    return Done(rung, stays(observed))


def _is_once(observed: Observed) -> bool:
    return observed.boot is not None and observed.boot.once


def silence(goal: Goal, rung: Rung, *, was_read: bool = False) -> str:
    """What was waited for in vain, and what is usually the cause.

    Args:
        goal: that was not reached.
        rung: by which it was tried.
        was_read: its springboard was read.
    """
    if was_read:
        cause = "Secure Boot refuses it, or iPXE in it has no driver for the NIC"
        return (
            f"its springboard ISO was read, and no DISCOVER from {goal.mac} came; usually {cause}"
        )
    cause = {
        Rung.VIRTUAL_MEDIA: "the machine cannot start from this CD (Secure Boot, boot mode), "
        "or the BMC cannot reach the image's URL",
        Rung.UEFI_HTTP: "the firmware has no HTTP boot, or it is switched off",
        Rung.CYCLE_ONLY: "the machine's own boot order starts another device first",
    }.get(
        rung,
        "network boot is switched off for this NIC, the cable or VLAN is another one, "
        "or the machine does not get through POST",
    )
    return f"no DISCOVER from {goal.mac} within {goal.within:.0f} s; usually {cause}"
