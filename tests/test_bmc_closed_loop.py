"""The closed loop against machines in memory: what was tried, what was heard, and how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from netboot.bmc.closed_loop import TURN, ClosedLoop, Pause, Result
from netboot.bmc.goal import Done, Failed, Goal, Sign
from netboot.bmc.history import Came, Did, Event, model_of, where
from netboot.bmc.leaving import BUSY_PAUSE
from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Hardware,
    Medium,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.bmc.plan import UNREADABLE_WITHIN
from netboot.errors import BmcError
from tests.fakes import RESET, SYSTEM, Clock, FakeBmc, Fault, driving

MAC = "52:54:00:aa:bb:01"
PXE = BootOverride(BootTarget.PXE)
NOTHING = BootOverride(BootTarget.NONE)
LADDER = (Rung.FULL_BODY, Rung.IF_MATCH, Rung.VIRTUAL_MEDIA, Rung.IPMI, Rung.CYCLE_ONLY)
POST = 90.0


@dataclass
class Machine:
    """A machine and its BMC; ``boots`` says by which rungs it can be brought to the network.

    Attributes:
        refused: rungs the BMC refuses, and its words.
        deaf: rungs that are accepted and change nothing.
        keeps_once: Once is not cleared.
        lose: how many replies to resets get lost; ``lost_acts`` tells whether they were done.
    """

    clock: Clock = field(default_factory=Clock)
    boots: frozenset[Rung] = frozenset(Rung)
    refused: Mapping[Rung, str] = field(default_factory=dict)
    deaf: frozenset[Rung] = frozenset()
    keeps_once: bool = False
    lose: int = 0
    lost_acts: bool = True
    tells_resets: bool = True
    power_state: PowerState = PowerState.ON
    resets: list[float] = field(default_factory=list)
    started_by: list[Rung] = field(default_factory=list)
    media: tuple[Medium, ...] = (Medium("Cd", "cd", None, inserted=False),)
    override: BootOverride = NOTHING
    armed_at: float = 0.0
    last_rung: Rung = Rung.CYCLE_ONLY
    away_until: float = 0.0
    closed: int = 0
    name: str = "fake"

    def observe(self) -> Observed:
        self.clock.now += 1.0
        if self.clock.now < self.away_until:
            raise BmcError("no reply", retryable=True)
        self._settle()
        last = self.resets[-1] if self.resets else 0.0
        return Observed(
            self.power_state, self.override, self.media, last if self.tells_resets else None
        )

    def power(self, action: PowerAction) -> str:
        lost = self.lose > 0
        self.lose -= lost
        if not lost or self.lost_acts:
            self.power_state = PowerState.ON
            self.resets.append(self.clock.now)
            self.started_by.append(self.last_rung)
        if lost:
            raise BmcError("the connection broke off", effect_unknown=True)
        return f"POST {action}"

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:
        return LADDER if wanted else ()

    def set_boot(self, wanted: BootOverride, rung: Rung) -> str:
        if rung in self.refused:
            raise BmcError(self.refused[rung], request=f"PATCH by {rung}")
        self.last_rung = rung
        if rung not in self.deaf:
            self.override, self.armed_at = wanted, self.clock.now
            if rung is Rung.VIRTUAL_MEDIA:
                self.media = (Medium("Cd", "cd", wanted.url, inserted=True),)
        return f"PATCH by {rung}"

    def insert(self, url: str, slot: str | None = None) -> None:
        raise NotImplementedError

    def eject(self, slot: str | None = None) -> None:  # noqa: ARG002 -- the protocol's signature
        self.media = (Medium("Cd", "cd", None, inserted=False),)

    def inspect(self) -> Hardware:
        return Hardware()

    def close(self) -> None:
        self.closed += 1

    def hear(self, mac: str, since: float, timeout: float) -> str | None:
        """Its DISCOVER, ``POST`` seconds after a reset, if it boots from the network then."""
        assert mac == MAC
        until = self.clock.now + timeout
        for reset, rung in zip(self.resets, self.started_by, strict=True):
            at = reset + POST
            if since <= at <= until and rung in self.boots:
                self.clock.now = max(self.clock.now, at)
                return "DHCP DISCOVER"
        return None

    def _settle(self) -> None:
        booted = self.resets and self.resets[-1] + POST <= self.clock.now
        is_due = booted and self.resets[-1] >= self.armed_at
        if is_due and self.override.once and not self.keeps_once:
            self.override = NOTHING


class Notes:
    """The store's side of the loop: events, and what worked."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.worked: dict[tuple[str, BootTarget], Rung] = {}

    def rungs(self, model: str) -> Mapping[BootTarget, Rung]:
        return {target: rung for (name, target), rung in self.worked.items() if name == model}

    def remember_rung(self, model: str, target: BootTarget, rung: Rung) -> None:
        self.worked[model, target] = rung


def run(machine: Machine, notes: Notes | None = None, **changes: object) -> Result:
    notes = notes or Notes()
    goal = Goal(MAC, PXE, iso_url="http://boot/s.iso")
    result = ClosedLoop(
        machine,
        replace(goal, **changes),  # type: ignore[arg-type]
        machine.hear,
        notes.events.append,
        memory=notes,
        model="Fakes / Box",
        clock=machine.clock,
        sleep=machine.clock.sleep,
    ).run()
    assert notes.events == list(result.history)
    assert machine.closed == 1
    return result


def test_the_first_way_that_works_is_all_that_is_done() -> None:
    machine = Machine()
    result = run(machine)
    assert result.end == Done(Rung.FULL_BODY)
    done = [(event.did, event.came) for event in result.history if event.did is not Did.READ]
    assert done[:3] == [
        (Did.SET, Came.OK),
        (Did.RESET, Came.INTENT),
        (Did.RESET, Came.OK),
    ]
    assert done[-1] == (Did.LISTEN, Came.OK)
    assert len(machine.resets) == 1


def test_every_rung_is_told_with_its_request_and_the_words_of_the_bmc() -> None:
    refused = {Rung.FULL_BODY: "428 Precondition Required: If-Match is required"}
    machine = Machine(refused=refused, deaf=frozenset({Rung.IF_MATCH}))
    result = run(machine)
    assert result.end == Done(Rung.VIRTUAL_MEDIA)
    (first, *_) = where(result.history, Did.SET)
    assert (first.came, first.words, first.request) == (
        Came.REFUSED,
        refused[Rung.FULL_BODY],
        "PATCH by full-body",
    )
    given_up = {event.rung: event.words for event in where(result.history, Did.CLIMB)}
    assert given_up == {
        Rung.FULL_BODY: refused[Rung.FULL_BODY],
        Rung.IF_MATCH: "accepted, but the BMC reports no override",
    }
    assert len(machine.resets) == 1  # nothing was restarted for what did not take


def test_a_silent_machine_is_tried_by_the_next_rung_and_its_springboard_taken_out() -> None:
    machine = Machine(boots=frozenset({Rung.IPMI}))
    result = run(machine)
    assert result.end == Done(Rung.IPMI)
    climbs = where(result.history, Did.CLIMB)
    assert [event.rung for event in climbs] == [Rung.FULL_BODY, Rung.IF_MATCH, Rung.VIRTUAL_MEDIA]
    assert all("no DISCOVER from 52:54:00:aa:bb:01 within 300 s" in event.words for event in climbs)
    assert not machine.media[0].inserted


def test_a_springboard_is_taken_out_once_the_machine_came_by_it() -> None:
    machine = Machine()
    result = run(machine, begins=Rung.VIRTUAL_MEDIA)
    assert result.end == Done(Rung.VIRTUAL_MEDIA)
    assert [event.came for event in where(result.history, Did.EJECT)] == [Came.OK]
    assert not machine.media[0].inserted


def test_a_springboard_that_cannot_be_taken_out_is_said_and_is_no_failure() -> None:
    machine, said = Machine(), "the slot is locked"

    def refuse(_slot: str | None = None) -> None:
        raise BmcError(said)

    machine.eject = refuse  # type: ignore[method-assign]
    end = run(machine, begins=Rung.VIRTUAL_MEDIA).end
    assert end == Done(Rung.VIRTUAL_MEDIA, f"the springboard ISO stays inserted: {said}")


def test_a_machine_that_reads_its_springboard_is_given_more_time() -> None:
    machine = Machine()
    goal = Goal(MAC, PXE, LADDER, iso_url="http://boot/s.iso", begins=Rung.VIRTUAL_MEDIA)
    loop = _loop(machine, replace(goal, within=POST - 10.0), lambda _: None, [])
    loop.reads = lambda _mac, since, _timeout: "read" if machine.clock.now > since + 60 else None
    result = loop.run()
    assert result.end == Done(Rung.VIRTUAL_MEDIA)
    assert [event.words for event in where(result.history, Did.FETCH)] == ["read"]
    assert len(machine.resets) == 1


def test_a_way_that_a_person_chose_says_nothing_of_the_model() -> None:
    notes = Notes()
    run(Machine(), notes, begins=Rung.VIRTUAL_MEDIA)
    assert notes.worked == {}


def test_when_nothing_helps_it_ends_and_says_what_was_tried() -> None:
    machine = Machine(boots=frozenset())
    end = run(machine).end
    assert isinstance(end, Failed)
    assert all(f"{rung}: no DISCOVER" in end.why for rung in LADDER)
    assert len(machine.resets) == len(LADDER)


def test_a_machine_heard_late_is_not_restarted() -> None:
    machine = Machine()
    result = run(machine, within=POST - 1.0)
    assert result.end == Done(Rung.FULL_BODY)
    assert len(machine.resets) == 1


@pytest.mark.parametrize("acts", [True, False])
def test_a_lost_reply_to_a_reset_costs_at_most_one_reset_that_was_done(*, acts: bool) -> None:
    machine = Machine(lose=1, lost_acts=acts)
    assert run(machine).end == Done(Rung.FULL_BODY)
    assert len(machine.resets) == 1


def test_without_evidence_a_reset_is_not_repeated() -> None:
    machine = Machine(lose=1, lost_acts=False, tells_resets=False)
    end = run(machine).end
    assert isinstance(end, Failed)
    assert "not repeated" in end.why
    assert machine.resets == []


def test_the_intent_is_written_before_the_reset() -> None:
    machine, notes = Machine(), Notes()
    seen: list[Came] = []
    power = machine.power

    def reset(action: PowerAction) -> str:
        seen.append(notes.events[-1].came)
        return power(action)

    machine.power = reset  # type: ignore[method-assign]
    run(machine, notes)
    assert seen == [Came.INTENT]


def test_a_loop_killed_after_the_reset_goes_on_and_does_not_reset_again() -> None:
    machine, notes = Machine(), Notes()

    class KilledError(Exception):
        pass

    def kill(event: Event) -> None:
        notes.events.append(event)
        if event.did is Did.RESET and event.came is Came.OK:
            raise KilledError

    goal = Goal(MAC, PXE, LADDER)
    with pytest.raises(KilledError):
        _loop(machine, goal, kill, []).run()
    assert machine.closed == 1
    result = _loop(machine, goal, lambda _: None, list(notes.events)).run()
    assert result.end == Done(Rung.FULL_BODY)
    assert len(machine.resets) == 1


def _loop(
    machine: Machine, goal: Goal, record: Callable[[Event], None], history: list[Event]
) -> ClosedLoop:
    return ClosedLoop(
        machine,
        goal,
        machine.hear,
        record,
        clock=machine.clock,
        sleep=machine.clock.sleep,
        history=history,
    )


def _by_turns(
    machine: Machine, *, gate: Callable[[PowerAction], Pause | None] | None = None
) -> tuple[Result, list[Pause]]:
    """Every turn by a loop of its own that knows nothing but the history, as JSON."""
    kept, pauses, goal = b"[]", [], Goal(MAC, PXE, iso_url="http://boot/s.iso")
    while True:
        history = msgspec.json.decode(kept, type=list[Event])
        loop = replace(_loop(machine, goal, lambda _: None, history), gate=gate or (lambda _: None))
        step = loop.turn()
        kept = msgspec.json.encode(loop.history)
        if isinstance(step, Result):
            return step, pauses
        pauses.append(step)
        machine.clock.now = max(machine.clock.now, step.until)


def test_turns_of_different_processes_do_what_one_loop_does() -> None:
    machine = Machine(boots=frozenset({Rung.IPMI}), lose=1)
    result, pauses = _by_turns(machine)
    assert result.end == Done(Rung.IPMI)
    assert len(machine.resets) == 4
    assert {pause.why for pause in pauses} == {"a sign of the machine"}
    assert machine.closed == 0


def test_a_turn_begins_nothing_new_when_it_has_taken_long() -> None:
    machine = Machine()
    set_boot = machine.set_boot

    def slow(wanted: BootOverride, rung: Rung) -> str:
        machine.clock.now += TURN
        return set_boot(wanted, rung)

    machine.set_boot = slow  # type: ignore[method-assign]
    result, pauses = _by_turns(machine)
    assert result.end == Done(Rung.FULL_BODY)
    assert pauses[0].why == "goes on at once"


def test_a_gate_puts_a_reset_off_before_its_intent_is_written() -> None:
    machine = Machine()
    shut = [Pause(1_100.0, "too many machines start"), None]
    result, pauses = _by_turns(machine, gate=lambda _action: shut.pop(0))
    assert result.end == Done(Rung.FULL_BODY)
    assert pauses[0].why == "too many machines start"
    assert machine.resets[0] >= 1_100.0


def test_a_machine_heard_between_two_turns_counts_though_it_reads_off_since() -> None:
    machine = Machine()
    loop = _loop(machine, Goal(MAC, PXE), lambda _: None, [])
    assert isinstance(loop.turn(), Pause)
    machine.clock.now += POST + 1.0
    machine.power_state = PowerState.OFF
    machine.override = NOTHING
    assert loop.turn() == Result(Done(Rung.FULL_BODY), tuple(loop.history))
    assert len(machine.resets) == 1


def test_once_that_stays_is_cleared_by_us() -> None:
    machine = Machine(keeps_once=True)
    result = run(machine)
    assert result.end == Done(Rung.FULL_BODY)
    assert where(result.history, Did.CLEAR, Came.OK)
    assert machine.override == NOTHING


def test_once_that_cannot_be_cleared_is_said() -> None:
    machine = Machine(keeps_once=True)
    set_boot = machine.set_boot

    def refuse(wanted: BootOverride, rung: Rung) -> str:
        if wanted.target is BootTarget.NONE:
            raise BmcError("no")
        return set_boot(wanted, rung)

    machine.set_boot = refuse  # type: ignore[method-assign]
    end = run(machine).end
    assert isinstance(end, Done)
    assert "still reports pxe once" in end.note


def test_a_refused_reset_is_the_end_at_once_and_leaves_no_once_behind() -> None:
    machine = Machine()

    def refuse(_: PowerAction) -> str:
        raise BmcError("ResetType is not supported")

    machine.power = refuse  # type: ignore[method-assign]
    began = machine.clock()
    result = run(machine)
    assert result.end == Failed("the BMC does not cycle: ResetType is not supported")
    assert len(where(result.history, Did.RESET, Came.INTENT)) == 1
    assert machine.override == NOTHING
    assert machine.clock() - began < BUSY_PAUSE


def test_a_bmc_that_restarts_is_waited_for() -> None:
    machine = Machine(away_until=1_000.0 + UNREADABLE_WITHIN - 60)
    assert run(machine).end == Done(Rung.FULL_BODY)


def test_a_bmc_that_stays_away_is_given_up() -> None:
    machine = Machine(away_until=1e9)
    end = run(machine).end
    assert isinstance(end, Failed)
    assert "has not answered" in end.why
    assert machine.resets == []


def test_a_machine_that_is_off_is_switched_on() -> None:
    machine = Machine(power_state=PowerState.OFF)
    result = run(machine)
    assert result.end == Done(Rung.FULL_BODY)
    assert [event.action for event in where(result.history, Did.RESET, Came.INTENT)] == [
        PowerAction.ON
    ]


def test_without_a_reset_it_is_done_when_the_override_shows() -> None:
    machine = Machine()
    assert run(machine, reset=None).end == Done(Rung.FULL_BODY)
    assert (machine.override, machine.resets) == (PXE, [])


def test_what_sends_us_nothing_is_done_when_the_machine_restarted() -> None:
    machine = Machine()
    disk = BootOverride(BootTarget.DISK)
    result = run(machine, wanted=disk, sign=Sign.NONE)
    assert result.end == Done(Rung.FULL_BODY)
    assert not where(result.history, Did.LISTEN)


def test_what_worked_on_a_model_is_tried_first_on_the_next_of_it() -> None:
    notes = Notes()
    first = run(Machine(deaf=frozenset({Rung.FULL_BODY})), notes)
    assert first.end == Done(Rung.IF_MATCH)
    notes.events.clear()
    second = run(Machine(deaf=frozenset({Rung.FULL_BODY})), notes)
    assert [event.rung for event in where(second.history, Did.SET)] == [Rung.IF_MATCH]


def test_a_model_is_known_by_all_that_its_bmc_says() -> None:
    hardware = Hardware(manufacturer="Dell Inc.", model="PowerEdge R640", bmc_model="14G")
    assert model_of(hardware) == "Dell Inc. / PowerEdge R640 / 14G"
    assert model_of(Hardware()) == ""


def _by_redfish(bmc: FakeBmc) -> Result:
    clock = Clock()
    with driving(bmc, clock=clock) as driver:
        goal = Goal(MAC, PXE, within=120.0)

        def expect(_mac: str, _since: float, timeout: float) -> str | None:
            clock.now += timeout
            if not bmc.resets:
                return None
            bmc.boot |= {"BootSourceOverrideEnabled": "Disabled"}
            return "DHCP DISCOVER"

        return ClosedLoop(driver, goal, expect, clock=clock, sleep=clock.sleep).run()


def test_by_redfish_the_ladder_is_climbed_to_if_match() -> None:
    bmc = FakeBmc(if_match=True)
    result = _by_redfish(bmc)
    assert result.end == Done(Rung.IF_MATCH)
    assert bmc.resets == 1
    assert not bmc.tokens


@pytest.mark.parametrize("kind", ["drop", "unheard"])
def test_by_redfish_a_lost_reply_to_a_reset_is_settled_by_a_fresh_reading(kind: str) -> None:
    bmc = FakeBmc(faults=[Fault(kind, "POST", RESET)])
    result = _by_redfish(bmc)
    assert result.end == Done(Rung.FULL_BODY)
    assert bmc.resets == 1
    assert bmc.count("POST", RESET) == (1 if kind == "drop" else 2)


def test_by_redfish_bad_days_one_after_the_other_are_survived() -> None:
    html = b"<html>starting</html>"
    bmc = FakeBmc(
        faults=[
            Fault("unheard", "GET", SYSTEM, times=3),
            Fault("status", "GET", SYSTEM, times=2, body=html),
            Fault("status", "PATCH", SYSTEM, headers={"Retry-After": "3"}),
            Fault("status", "PATCH", SYSTEM, status=409),
            Fault("status", "POST", RESET, status=503),
            Fault("half", "GET", SYSTEM),
        ]
    )
    result = _by_redfish(bmc)
    assert result.end == Done(Rung.FULL_BODY)
    assert bmc.resets == 1
    assert not bmc.faults
