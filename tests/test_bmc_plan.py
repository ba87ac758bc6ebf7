"""The planner alone: what it answers in each situation, and that it always comes to an end."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from netboot.bmc.goal import (
    Action,
    Climb,
    Done,
    Eject,
    Failed,
    Goal,
    Listen,
    Power,
    SetBoot,
    Sign,
    Wait,
)
from netboot.bmc.history import Came, Did, Event
from netboot.bmc.leaving import BUSY_PAUSE, CLEAR_TRIES, EJECT_TRIES, READ_BACK_WITHIN
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Medium,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.bmc.plan import (
    BUSY_TRIES,
    CLEARED_WITHIN,
    OFF_SETTLES,
    RESET_SHOWS_WITHIN,
    RESET_TRIES,
    UNREADABLE_WITHIN,
    plan,
    took,
)

MAC = "52:54:00:aa:bb:01"
PXE = BootOverride(BootTarget.PXE)
NOTHING = BootOverride(BootTarget.NONE)
FULL = Rung.FULL_BODY
GOAL = Goal(MAC, PXE, (FULL, Rung.IF_MATCH))
T = 1_000.0
ISO = "http://192.0.2.1:8080/media/52-54-00-aa-bb-01/netboot.iso"


def seen(
    boot: BootOverride | None = NOTHING,
    power: PowerState = PowerState.ON,
    last_reset: float | None = None,
) -> Observed:
    return Observed(power, boot, last_reset=last_reset)


def read(at: float, power: PowerState = PowerState.ON, last_reset: float | None = None) -> Event:
    return Event(at, None, Did.READ, Came.OK, power=power, last_reset=last_reset)


def did(at: float, what: Did, came: Came, words: str = "", rung: Rung = FULL) -> Event:
    action = PowerAction.CYCLE if what is Did.RESET else None
    return Event(at, rung, what, came, words, action=action)


SET = did(T, Did.SET, Came.OK)
INTENT = did(T + 1, Did.RESET, Came.INTENT)
WAS_RESET = (SET, INTENT, did(T + 2, Did.RESET, Came.OK))
LOST = (read(T, last_reset=5.0), SET, INTENT, did(T + 2, Did.RESET, Came.UNKNOWN))
LOST_BLIND = (read(T), SET, INTENT, did(T + 2, Did.RESET, Came.UNKNOWN))
LOST_ON = (
    read(T, PowerState.OFF),
    SET,
    Event(T + 1, FULL, Did.RESET, Came.INTENT, action=PowerAction.ON),
    Event(T + 2, FULL, Did.RESET, Came.UNKNOWN, action=PowerAction.ON),
)
HEARD = (*WAS_RESET, did(T + 90, Did.LISTEN, Came.OK))
SHOWN = RESET_SHOWS_WITHIN + 1
GIVEN_UP = (SET, INTENT, did(T + 1, Did.RESET, Came.REFUSED, "no"))
CLEARS = (did(T + 2, Did.CLEAR, Came.OK),) * CLEAR_TRIES
NOT_CYCLED = Failed("the BMC does not cycle: no")
STAYS = Failed(f"{NOT_CYCLED.why}; the BMC still reports pxe once: its next boot may be the same")


@pytest.mark.parametrize(
    ("history", "observed", "after", "answer"),
    [
        ((), seen(), 0, SetBoot(FULL, PXE)),
        ((), None, 0, Wait),
        ((SET,), seen(PXE), 1, Power(FULL, PowerAction.CYCLE)),
        ((SET,), seen(None), 1, Power(FULL, PowerAction.CYCLE)),
        ((SET,), seen(PXE, PowerState.OFF), 1, Power(FULL, PowerAction.ON)),
        ((SET,), seen(), 1, Wait),
        ((SET,), seen(), READ_BACK_WITHIN, Climb),
        ((did(T, Did.SET, Came.REFUSED, "no"),), seen(), 1, Climb(FULL, "no")),
        ((did(T, Did.SET, Came.BUSY),), seen(), 1, Wait),
        ((did(T, Did.SET, Came.BUSY),), seen(), BUSY_PAUSE, SetBoot(FULL, PXE)),
        ((did(T, Did.SET, Came.BUSY, "b"),) * BUSY_TRIES, seen(), 1, Climb(FULL, "b")),
        ((did(T, Did.SET, Came.UNKNOWN),), seen(PXE), 1, Power(FULL, PowerAction.CYCLE)),
        ((did(T, Did.SET, Came.UNKNOWN),), seen(), READ_BACK_WITHIN, SetBoot(FULL, PXE)),
        (WAS_RESET, seen(PXE), 3, Listen),
        (WAS_RESET, None, 3, Listen),
        (WAS_RESET, seen(PXE, PowerState.OFF), 3, Listen),
        (WAS_RESET, seen(PXE, PowerState.OFF), 2 + OFF_SETTLES, Power(FULL, PowerAction.ON)),
        (WAS_RESET, seen(), 301, Climb),
        (LOST, seen(last_reset=5.0), SHOWN - 5, Listen),
        (LOST, seen(last_reset=5.0), SHOWN, Power(FULL, PowerAction.CYCLE)),
        (LOST, None, SHOWN, Listen),
        ((*LOST, read(T + 9, last_reset=6.0)), seen(last_reset=6.0), SHOWN, Listen),
        ((*LOST, read(T + 9, last_reset=6.0)), seen(last_reset=6.0), 301, Climb),
        (LOST_BLIND, seen(), SHOWN, Listen),
        (LOST_BLIND, seen(), 301, Failed),
        (LOST_ON, seen(power=PowerState.UNKNOWN), SHOWN, Listen),
        (LOST_ON, seen(power=PowerState.OFF), SHOWN, Power(FULL, PowerAction.ON)),
        ((SET, INTENT), seen(), SHOWN, Listen),  # we were killed before we knew
        ((SET, INTENT, did(T, Did.RESET, Came.BUSY)), seen(), 1, Wait),
        ((SET, INTENT, did(T, Did.RESET, Came.BUSY)), seen(), BUSY_PAUSE, Power),
        ((SET, INTENT, did(T + 1, Did.RESET, Came.REFUSED, "no")), seen(), 1, NOT_CYCLED),
        (GIVEN_UP, seen(PXE), 2, SetBoot(FULL, NOTHING, clears=True)),
        (GIVEN_UP, seen(), 2, NOT_CYCLED),
        (GIVEN_UP, seen(BootOverride(BootTarget.DISK, once=False)), 2, NOT_CYCLED),
        (GIVEN_UP, None, 2, Wait),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.OK)), seen(PXE), 3, Wait),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.OK)), seen(), 3, NOT_CYCLED),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.OK)), seen(PXE), 2 + READ_BACK_WITHIN, SetBoot),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.BUSY)), seen(PXE), 3, Wait),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.BUSY)), seen(PXE), 2 + BUSY_PAUSE, SetBoot),
        ((*GIVEN_UP, did(T + 2, Did.CLEAR, Came.REFUSED)), seen(PXE), 2, STAYS),
        ((*GIVEN_UP, *CLEARS), seen(PXE), 2 + READ_BACK_WITHIN, STAYS),
        (LOST_BLIND, seen(PXE), 301, SetBoot(FULL, NOTHING, clears=True)),
        (HEARD, seen(), 91, Done(FULL)),
        (HEARD, seen(PXE), 91, Wait),
        (HEARD, None, 91, Wait),
        (HEARD, seen(PXE), 90 + CLEARED_WITHIN, SetBoot(FULL, NOTHING, clears=True)),
        ((read(T), did(T, Did.READ, Came.REFUSED, "401")), None, 1, Failed("401")),
        ((did(T, Did.READ, Came.BUSY),), None, UNREADABLE_WITHIN - 1, Wait),
        ((did(T, Did.READ, Came.BUSY),), None, UNREADABLE_WITHIN, Failed),
    ],
)
def test_what_comes_next(
    history: tuple[Event, ...], observed: Observed | None, after: float, answer: object
) -> None:
    step = plan(GOAL, observed, history, T + after)
    assert isinstance(step, answer) if isinstance(answer, type) else step == answer


def test_a_bmc_busy_at_each_reset_is_the_end() -> None:
    tries: tuple[Event, ...] = ()
    for number in range(RESET_TRIES):
        at = T + 100 * number
        tries += (did(at, Did.RESET, Came.INTENT), did(at, Did.RESET, Came.BUSY, "locked"))
    assert plan(GOAL, seen(), (SET, *tries), T + 1000) == Failed("the BMC does not cycle: locked")


def test_an_override_for_every_boot_is_not_cleared_by_who_gives_up() -> None:
    always = BootOverride(BootTarget.PXE, once=False)
    assert plan(Goal(MAC, always, (FULL,)), seen(always), GIVEN_UP, T + 2) == NOT_CYCLED


def test_no_override_is_nothing_to_clear() -> None:
    assert plan(Goal(MAC, NOTHING, (FULL,)), seen(), GIVEN_UP, T + 2) == NOT_CYCLED


def test_a_bmc_that_is_away_keeps_the_override_and_that_is_said() -> None:
    away = (*GIVEN_UP, did(T + 3, Did.READ, Came.BUSY, "no route"))
    end = plan(GOAL, None, away, T + 3 + UNREADABLE_WITHIN)
    assert isinstance(end, Failed)
    assert "could not be asked whether Once is cleared" in end.why


def test_after_the_last_rung_it_says_what_each_came_to() -> None:
    fallen = (
        did(T, Did.CLIMB, Came.REFUSED, "428"),
        did(T, Did.CLIMB, Came.REFUSED, "412", Rung.IF_MATCH),
    )
    assert plan(GOAL, seen(), fallen, T) == Failed("full-body: 428; if-match: 412")


def test_once_that_reads_always_is_said_when_nothing_is_restarted() -> None:
    goal = Goal(MAC, PXE, (FULL,), reset=None)
    always = seen(BootOverride(BootTarget.PXE, once=False))
    assert plan(goal, seen(PXE), (SET,), T + 1) == Done(FULL)
    assert plan(goal, always, (SET,), T + 1) == Done(FULL, "the BMC reports pxe always, not once")


def test_virtual_media_needs_an_image_and_a_cycle_a_reset() -> None:
    goal = Goal(MAC, PXE, (Rung.VIRTUAL_MEDIA, Rung.CYCLE_ONLY, FULL, FULL), reset=None)
    assert goal.usable() == (FULL,)
    goal = Goal(MAC, PXE, (Rung.VIRTUAL_MEDIA, Rung.CYCLE_ONLY), iso_url="http://boot/s.iso")
    assert goal.usable() == (Rung.VIRTUAL_MEDIA, Rung.CYCLE_ONLY)
    assert goal.override(Rung.VIRTUAL_MEDIA) == BootOverride(BootTarget.CD, url="http://boot/s.iso")


def test_the_ladder_may_begin_in_the_middle() -> None:
    goal = Goal(MAC, PXE, (FULL, Rung.VIRTUAL_MEDIA, Rung.IPMI), iso_url=ISO)
    assert replace(goal, begins=Rung.VIRTUAL_MEDIA).usable() == (Rung.VIRTUAL_MEDIA, Rung.IPMI)
    without = replace(goal, begins=Rung.VIRTUAL_MEDIA, rungs=(FULL,))
    end = Failed("this BMC has no way to do it by virtual-media")
    assert plan(without, seen(), (), T) == end


def by_cd(at: float, what: Did, came: Came = Came.OK, words: str = "") -> Event:
    return did(at, what, came, words, Rung.VIRTUAL_MEDIA)


BY_CD = Goal(MAC, PXE, (Rung.VIRTUAL_MEDIA,), iso_url=ISO)
CD_STARTED = (
    by_cd(T, Did.SET),
    by_cd(T + 1, Did.RESET, Came.INTENT),
    by_cd(T + 2, Did.RESET),
)
CD_CAME = (*CD_STARTED, by_cd(T + 60, Did.LISTEN))
EJECT = Eject(Rung.VIRTUAL_MEDIA)
LATE = 301.0
"""Seconds after which the machine is given up."""


@pytest.mark.parametrize(
    ("history", "after", "answer"),
    [
        (CD_CAME, 61, EJECT),
        ((*CD_CAME, by_cd(T + 61, Did.EJECT)), 62, Done(Rung.VIRTUAL_MEDIA)),
        ((*CD_CAME, by_cd(T + 61, Did.EJECT, Came.BUSY, "locked")), 62, Wait),
        ((*CD_CAME, by_cd(T + 61, Did.EJECT, Came.BUSY, "locked")), 61 + BUSY_PAUSE, EJECT),
        (
            (*CD_CAME, by_cd(T + 61, Did.EJECT, Came.REFUSED, "no")),
            62,
            Done(Rung.VIRTUAL_MEDIA, "the springboard ISO stays inserted: no"),
        ),
        (
            (*CD_CAME, *(by_cd(T + 61, Did.EJECT, Came.BUSY, "busy"),) * EJECT_TRIES),
            62,
            Done(Rung.VIRTUAL_MEDIA, "the springboard ISO stays inserted: busy"),
        ),
        (CD_STARTED, LATE, EJECT),
        ((*CD_STARTED, by_cd(T + LATE, Did.EJECT)), LATE, Climb),
        ((by_cd(T, Did.SET, Came.REFUSED, "no"),), 1, EJECT),
        ((*CD_STARTED, by_cd(T + 50, Did.FETCH)), LATE, Listen),
        ((*CD_STARTED, by_cd(T + 50, Did.FETCH)), 50 + LATE, EJECT),
    ],
)
def test_a_springboard_is_taken_out_before_its_rung_is_left(
    history: tuple[Event, ...], after: float, answer: object
) -> None:
    full = Observed(PowerState.ON, NOTHING, (Medium("Cd", "cd", ISO, inserted=True),))
    step = plan(BY_CD, full, history, T + after)
    assert isinstance(step, answer) if isinstance(answer, type) else step == answer


def test_an_empty_drive_is_left_alone() -> None:
    empty = Observed(PowerState.ON, NOTHING, (Medium("Cd", "cd", None, inserted=False),))
    assert plan(BY_CD, empty, CD_CAME, T + 61) == Done(Rung.VIRTUAL_MEDIA)


def test_what_somebody_else_inserted_is_left_in() -> None:
    theirs = replace(BY_CD, wanted=BootOverride(BootTarget.CD, url="http://boot/rescue.iso"))
    assert plan(theirs, seen(), CD_CAME, T + 61) == Done(Rung.VIRTUAL_MEDIA)


def test_a_springboard_that_was_read_in_vain_is_told_with_its_usual_cause() -> None:
    history = (*CD_STARTED, by_cd(T + 50, Did.FETCH), by_cd(T + 351, Did.EJECT))
    step = plan(BY_CD, seen(), history, T + 352)
    assert isinstance(step, Climb)
    assert step.why == (
        f"its springboard ISO was read, and no DISCOVER from {MAC} came; "
        "usually Secure Boot refuses it, or iPXE in it has no driver for the NIC"
    )


def test_a_springboard_that_is_read_shows_that_the_reset_happened() -> None:
    lost = (by_cd(T, Did.SET), *CD_STARTED[1:2], by_cd(T + 2, Did.RESET, Came.UNKNOWN))
    read_then_out = (*lost, by_cd(T + 50, Did.FETCH), by_cd(T + 351, Did.EJECT))
    assert isinstance(plan(BY_CD, seen(), (*lost, by_cd(T + 9, Did.EJECT)), T + LATE), Failed)
    assert isinstance(plan(BY_CD, seen(), read_then_out, T + 352), Climb)


def test_an_override_by_virtual_media_needs_the_medium_too() -> None:
    goal = Goal(MAC, PXE, (Rung.VIRTUAL_MEDIA,), iso_url="http://boot/s.iso")
    cd = BootOverride(BootTarget.CD)
    history = (did(T, Did.SET, Came.OK, rung=Rung.VIRTUAL_MEDIA),)
    for inserted, answer in ((False, Wait), (True, Power)):
        observed = Observed(PowerState.ON, cd, (Medium("Cd", "cd", None, inserted=inserted),))
        assert isinstance(plan(goal, observed, history, T + 1), answer)


@pytest.mark.parametrize(
    ("wanted", "shown", "is_taken"),
    [
        (PXE, PXE, True),
        (PXE, None, True),
        (PXE, NOTHING, False),
        (PXE, BootOverride(BootTarget.PXE, once=False), True),
        (BootOverride(BootTarget.PXE, once=False), PXE, False),
        (PXE, BootOverride(BootTarget.CD), False),
        (PXE, BootOverride(BootTarget.PXE, mode=BootMode.BIOS), True),
        (
            BootOverride(BootTarget.PXE, mode=BootMode.UEFI),
            BootOverride(BootTarget.PXE, mode=BootMode.BIOS),
            False,
        ),
        (NOTHING, NOTHING, True),
        (
            BootOverride(BootTarget.HTTP, url="http://a/"),
            BootOverride(BootTarget.HTTP, url="http://b/"),
            False,
        ),
    ],
)
def test_what_counts_as_taken(wanted: BootOverride, shown: BootOverride, is_taken: bool) -> None:
    assert took(wanted, shown) is is_taken


ENDLESS = 2_000
"""Steps after which a plan would never end; the longest there is takes some hundreds."""

POWERS = st.sampled_from(PowerState)
BOOTS = st.sampled_from(
    [None, NOTHING, PXE, BootOverride(BootTarget.CD), BootOverride(BootTarget.HTTP, once=False)]
)
READINGS = st.none() | st.builds(
    Observed,
    POWERS,
    BOOTS,
    st.sampled_from([(), (Medium("Cd", "cd", "x", inserted=True),)]),
    st.sampled_from([None, 1.0, 2.0]),
)
TAKEN = (Came.OK, Came.UNKNOWN)
ENDS = st.sampled_from([Came.OK, Came.BUSY, Came.REFUSED, Came.UNKNOWN])
GOALS = st.builds(
    Goal,
    st.just(MAC),
    st.sampled_from([PXE, BootOverride(BootTarget.DISK, once=False), NOTHING]),
    st.lists(st.sampled_from(Rung), max_size=7).map(tuple),
    reset=st.sampled_from([None, PowerAction.CYCLE, PowerAction.RESET]),
    sign=st.sampled_from(Sign),
    iso_url=st.sampled_from([None, "http://boot/s.iso"]),
)


class AnyBmc(RuleBasedStateMachine):
    """A BMC that reads and answers as Hypothesis likes, and a caller that follows the plan."""

    def __init__(self) -> None:
        super().__init__()
        self.goal: Goal | None = None
        self.now = T
        self.history: list[Event] = []
        self.end: Done | Failed | None = None
        self.steps = 0

    @precondition(lambda self: self.goal is None)
    @rule(goal=GOALS)
    def wish(self, goal: Goal) -> None:
        self.goal = goal

    @precondition(lambda self: self.goal is not None)
    @rule(
        reading=READINGS,
        came=ENDS,
        heard=st.booleans(),
        took_seconds=st.sampled_from([0.1, 1.0, 45.0]),
        killed=st.booleans(),
    )
    def turn(
        self,
        reading: Observed | None,
        came: Came,
        *,
        heard: bool,
        took_seconds: float,
        killed: bool,
    ) -> None:
        if self.end is None:
            self.follow(reading, lambda: came, heard=heard, seconds=took_seconds, killed=killed)

    def follow(
        self,
        reading: Observed | None,
        came: Callable[[], Came],
        *,
        heard: bool,
        seconds: float,
        killed: bool = False,
    ) -> None:
        assert self.goal is not None
        self.now += seconds
        self.note_reading(reading)
        step = plan(self.goal, reading, tuple(self.history), self.now)
        if isinstance(step, Failed):
            self.check_nothing_stays_armed(reading)
        self.steps += 1
        if isinstance(step, Done | Failed):
            self.end = step
        else:
            self.do(step, came, heard=heard, killed=killed)

    def note_reading(self, reading: Observed | None) -> None:
        if reading is None:
            self.history.append(Event(self.now, None, Did.READ, Came.BUSY, "away"))
            return
        self.history.append(read(self.now, reading.power, reading.last_reset))

    def do(self, step: Action, came: Callable[[], Came], *, heard: bool, killed: bool) -> None:
        match step:
            case SetBoot(rung, _, clears):
                self.note(Did.CLEAR if clears else Did.SET, came(), rung)
            case Power(rung, action):
                self.check_evidence(action)
                self.note(Did.RESET, Came.INTENT, rung, action)
                if not killed:
                    self.note(Did.RESET, came(), rung, action)
            case Listen(rung, _, until):
                self.now = max(self.now, until)
                self.note(Did.LISTEN, Came.OK if heard else Came.SILENT, rung)
            case Wait(until, _):
                assert until > self.now, "a wait that does not wait"
                self.now = until
            case Eject(rung):
                self.note(Did.EJECT, came(), rung)
            case Climb(rung, why):
                self.note(Did.CLIMB, Came.REFUSED, rung)
                assert why is not None

    def note(self, what: Did, came: Came, rung: Rung, action: PowerAction | None = None) -> None:
        self.history.append(Event(self.now, rung, what, came, action=action))

    def check_evidence(self, action: PowerAction) -> None:
        """A second reset in a rung needs a reading, now, that shows it is needed."""
        resets = [index for index, event in enumerate(self.history) if event.did is Did.RESET]
        if not resets or self.history[resets[-1]].rung is not self.rung_now():
            return
        last = self.history[resets[-1]]
        if last.came in (Came.BUSY, Came.REFUSED):
            return
        fresh = self.history[-1]
        assert (fresh.did, fresh.came, fresh.at) == (Did.READ, Came.OK, self.now)
        was_on_its_way = last.action is not PowerAction.ON
        stayed = was_on_its_way and fresh.last_reset is not None
        assert fresh.power is PowerState.OFF or (stayed and action is not PowerAction.ON)

    def check_nothing_stays_armed(self, reading: Observed | None) -> None:
        """Who gives up has tried to clear the Once that it set and that still shows."""
        assert self.goal is not None
        boot = reading.boot if reading else None
        sets = [event for event in self.history if event.did in (Did.SET, Did.CLEAR)]
        taken = [event for event in sets if event.did is Did.CLEAR or event.came in TAKEN]
        ours = {self.goal.override(event.rung).target for event in taken if event.rung}
        if self.goal.wanted.once and boot and boot.target in ours - {BootTarget.NONE}:
            assert taken[-1].did is Did.CLEAR

    def rung_now(self) -> Rung | None:
        assert self.goal is not None
        fallen = {event.rung for event in self.history if event.did is Did.CLIMB}
        return next((rung for rung in self.goal.usable() if rung not in fallen), None)

    @invariant()
    def it_is_never_reset_more_often_than_allowed(self) -> None:
        intents = [event for event in self.history if event.came is Came.INTENT]
        for rung in Rung:
            assert sum(event.rung is rung for event in intents) <= RESET_TRIES

    def teardown(self) -> None:
        """Whatever happened so far, it ends, with a BMC that from now on is as bad as can be."""
        if self.goal is None:
            return
        way = self.steps % 5
        while self.end is None:
            reading, came = _bad_bmc(way, self.steps)
            self.follow(reading, lambda came=came: came, heard=False, seconds=1.0)
            assert self.steps < ENDLESS
            self.it_is_never_reset_more_often_than_allowed()


def _bad_bmc(way: int, turn: int) -> tuple[Observed | None, Came]:
    """How a BMC reads and answers at its ``turn``, in one of five ways of being bad."""
    return (
        (None, Came.BUSY),
        (seen(NOTHING), Came.OK),
        (seen(PXE, PowerState.OFF, 1.0), Came.UNKNOWN),
        (seen(None, last_reset=float(turn)), Came.BUSY),
        (seen(PXE) if turn % 2 else None, Came.UNKNOWN),
    )[way]


AnyBmc.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyBmc = AnyBmc.TestCase
