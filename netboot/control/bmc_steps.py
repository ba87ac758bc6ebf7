"""The steps actions are made of: each does one thing to a BMC and reads back that it took.

A BMC that says it is busy is asked again. A reply that was lost is no failure: what is read back
decides.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from netboot.bmc.closed_loop import ClosedLoop, Expect
from netboot.bmc.goal import Failed, Goal, Sign
from netboot.bmc.history import Came, Did, where
from netboot.bmc.history import Event as Step
from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.control.bmc_shapes import Answer, PowerAsked, said_url
from netboot.errors import BmcError
from netboot.events import Kind
from netboot.jobs.bmc_turn import Turn, keep_screen

T = TypeVar("T")

OFF_WITHIN = 60.0
"""Seconds in which a machine that was switched off must be off."""
ON_WITHIN = 120.0
"""Seconds in which a machine that was started must be on."""
MEDIA_WITHIN = 30.0
"""Seconds in which inserted media must show: the BMC opens the image first."""
LOOK_EVERY = 1.0
"""Seconds between two looks at a BMC, or for what a machine sent."""
BUSY_PAUSES = (2.0, 5.0, 10.0)
"""Seconds after each answer of a BMC that it is busy."""

_SIGNS = (Kind.DISCOVER, Kind.REQUEST_4011, Kind.LOADER, Kind.SCRIPT)
"""What shows that a machine came to us."""
_DONE = {
    PowerAction.ON: "switched on",
    PowerAction.CYCLE: "power-cycled",
    PowerAction.RESET: "reset",
}


def answer(turn: Turn, words: str, seen: Observed) -> Answer:
    """An answer with a reading."""
    return Answer(turn.node.name, words, power=seen.power, boot=seen.boot, media=seen.media)


def patiently(turn: Turn, read: Callable[[], T]) -> T:
    """What ``read`` gives, which changes nothing, through a BMC's busy moments.

    Raises:
        BmcError: it is refused, or stays busy.
    """
    for pause in BUSY_PAUSES:
        try:
            return read()
        except BmcError as error:
            if not error.retryable:
                raise
            turn.last = turn.clean(str(error))
        turn.sleep(pause)
    return read()


def attempt(turn: Turn, did: str, act: Callable[[], str | None]) -> None:
    """Do what may be done once only: again where it was refused for now, not where it may be done.

    Raises:
        BmcError: it is refused, or the BMC stays busy.
    """

    def once() -> None:
        try:
            request = act() or ""
        except BmcError as error:
            if not error.effect_unknown:
                raise
            words = f"{did}: no reply, so it is read back: {error}"
            turn.tell(words, Came.UNKNOWN.value, words=str(error), request=error.request)
        else:
            turn.tell(f"{did}: taken", Came.OK.value, request=request)

    turn.tell(f"{did} is asked for", Came.INTENT.value)
    patiently(turn, once)


def until(turn: Turn, shows: Callable[[Observed], bool], seconds: float, missing: str) -> Observed:
    """Read until a reading ``shows`` it.

    Raises:
        BmcError: none did in time; ``missing`` says what.
    """
    deadline = turn.clock() + seconds
    while not shows(seen := patiently(turn, turn.hands.observe)):
        if turn.clock() >= deadline:
            said = f": {seen.words}" if seen.words else ""
            raise BmcError(f"accepted, but {missing} after {seconds:.0f} s{said}")
        turn.sleep(LOOK_EVERY)
    return seen


def insert(turn: Turn, url: str, slot: str | None) -> Answer:
    """Insert an image and see that a slot holds it."""

    def shows(seen: Observed) -> bool:
        return any(one.may_hold(url) for one in seen.media if slot in (None, one.slot))

    attempt(turn, f"insert {said_url(url)}", lambda: turn.hands.insert(url, slot))
    seen = until(turn, shows, MEDIA_WITHIN, "no slot holds the image")
    return answer(turn, f"inserted {said_url(url)}", seen)


def eject(turn: Turn, slot: str | None) -> Answer:
    """Empty a slot, or the first one for a CD, and see that fewer are full."""
    before = patiently(turn, turn.hands.observe)

    def full(seen: Observed) -> int:
        return sum(medium.inserted and slot in (None, medium.slot) for medium in seen.media)

    if before.media and not full(before):
        return answer(turn, "was empty", before)
    attempt(turn, "eject", lambda: turn.hands.eject(slot))
    seen = until(turn, lambda now: full(now) < max(1, full(before)), MEDIA_WITHIN, "it is still in")
    return answer(turn, "ejected", seen)


def stop(turn: Turn, asked: PowerAsked) -> Answer:
    """Switch the machine off, or ask its system to end; see that it is off."""
    if patiently(turn, turn.hands.observe).power is PowerState.OFF:
        return Answer(turn.node.name, "is off already", PowerState.OFF)
    attempt(turn, str(asked.action), lambda: turn.hands.power(asked.action))
    if turn.said:
        return Answer(turn.node.name, turn.said)
    if asked.action is PowerAction.SHUTDOWN and not asked.wait:
        return Answer(turn.node.name, "its system was asked to shut down")
    within = asked.wait or OFF_WITHIN
    seen = until(turn, lambda now: now.power is PowerState.OFF, within, "it is not off")
    return answer(turn, "switched off", seen)


def start(turn: Turn, asked: PowerAsked) -> Answer:
    """Start or restart the machine by the closed loop, which repeats no reset blindly."""
    power = patiently(turn, turn.hands.observe).power  # who is not there fails here, and soon
    if asked.action is PowerAction.ON and power is PowerState.ON:
        return Answer(turn.node.name, "is on already", power)
    history: list[Step] = []
    goal = Goal(
        turn.mac,
        BootOverride(BootTarget.NONE),
        (Rung.CYCLE_ONLY,),
        reset=asked.action,
        sign=Sign.DISCOVER if asked.wait else Sign.NONE,
        within=asked.wait or ON_WITHIN,
    )
    expect = _heard(turn) if asked.wait else _switched_on(turn, history)
    end = loop(turn, goal, expect, history).run().end
    if isinstance(end, Failed):
        if where(history, Did.RESET):
            keep_screen(turn)
        raise BmcError(end.why)
    heard = where(history, Did.LISTEN, Came.OK)
    words = f", then {heard[-1].words}" if heard and asked.wait else ""
    done = where(history, Did.RESET)[-1].action or asked.action  # a machine that was off goes on
    readings = where(history, Did.READ, Came.OK)
    power = readings[-1].power if readings else power
    return Answer(turn.node.name, f"{turn.said or _DONE[done]}{words}", power)


def loop(
    turn: Turn, goal: Goal, expect: Expect, history: list[Step] | None = None, model: str = ""
) -> ClosedLoop:
    """The closed loop on this turn's BMC, its steps in the timeline."""
    return ClosedLoop(
        turn.hands,
        goal,
        expect,
        record=turn.record,
        memory=turn.store,
        model=model,
        clock=turn.clock,
        sleep=turn.sleep,
        history=[] if history is None else history,
    )


def nothing(_mac: str, _since: float, _timeout: float) -> str | None:
    """Expects nothing."""
    return None


def _power(turn: Turn) -> PowerState:
    with contextlib.suppress(BmcError):  # what is done next says it better
        return turn.hands.observe().power
    return PowerState.UNKNOWN


def _heard(turn: Turn) -> Expect:
    """Hears the machine: its packets are events of its timeline."""

    def expect(_mac: str, since: float, timeout: float) -> str | None:
        deadline = turn.clock() + timeout
        while (event := turn.store.heard(turn.node.name, _SIGNS, since)) is None:
            if (left := deadline - turn.clock()) <= 0:
                return None
            turn.sleep(min(LOOK_EVERY, left))
        return f"{event.kind.value} from {event.mac or turn.mac} after {event.time - since:.0f} s"

    return expect


def _switched_on(turn: Turn, history: list[Step]) -> Expect:
    """Sees that a machine is on whose BMC took the reset; without its word, on proves nothing."""

    def expect(_mac: str, _since: float, timeout: float) -> str | None:
        deadline = turn.clock() + timeout
        while where(history, Did.RESET, Came.OK):
            if _power(turn) is PowerState.ON:
                return "its BMC says on"
            if (left := deadline - turn.clock()) <= 0:
                return None
            turn.sleep(min(LOOK_EVERY, left))
        return None

    return expect
