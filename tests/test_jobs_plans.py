"""The planners of jobs, which are pure: what each says of a memory, a pause and a time."""

from typing import Any

import pytest

from netboot.bmc.closed_loop import Pause
from netboot.bmc.goal import Done, Failed, Goal, Listen, Power, Sign, Wait
from netboot.bmc.history import Came, Did, Event
from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.events import Event as Heard
from netboot.events import Kind
from netboot.job import Job, JobKind, JobState
from netboot.jobs import install, power
from netboot.jobs.memory import Meddled, Memory, boot_of, decoded, encoded
from netboot.jobs.stages import (
    BY_HAND,
    FLIP_WITHIN,
    POWER_ON,
    POWER_QUEUE,
    STARTING_OVER,
    patience,
)
from netboot.jobs.step import Drive, Ends, Hands, Step, View, Waits
from netboot.jobs.watching import watch
from netboot.lifecycle import Cause
from netboot.model import Mac, Node, State
from netboot.stages import WAITS, Boot, Stage
from netboot.store.shapes import Record

NOW = 1_000_000.0
MAC = Mac("52:54:00:00:00:01")
PAUSE = Pause(NOW + 15, "a sign of the machine", Listen(Rung.FULL_BODY, NOW, NOW + 15))
FRESH = Memory(attempt=1, begun=NOW)
RESET = Event(NOW, Rung.FULL_BODY, Did.RESET, Came.INTENT, action=PowerAction.CYCLE)
RESTARTED = Memory(attempt=1, begun=NOW, history=(RESET,))
GIVEN_UP = Event(NOW + 300, Rung.FULL_BODY, Did.CLIMB, Came.REFUSED, "silence")
MEDDLED = Meddled("bob", "power off", NOW + 1)


def planned(
    memory: Memory,
    now: float = NOW,
    *,
    hands: Hands = Hands.BMC,
    pause: Pause | None = None,
    driven: bool = True,
    state: State = State.INSTALLING,
    **asked: Any,
) -> Step:
    node = Node("n1", (MAC,), "debian-12", state=state)
    job = Job(1, "n1", JobKind.INSTALL, "alice", JobState.ACTIVE, NOW, NOW, NOW, asked, 1)
    return install.plan(View(job, node, hands, memory, driven, pause), now)


def heard(memory: Memory, *events: tuple[Kind, float]) -> Memory:
    records = [
        Record(number, Heard(kind, MAC, "n1", "said", {"firmware": "uefi"}, at))
        for number, (kind, at) in enumerate(events, start=1)
    ]
    return watch(memory, records, 1)


class TestInstall:
    def test_first_the_bmc_has_its_turn(self) -> None:
        step = planned(FRESH, driven=False)
        assert isinstance(step, Drive)
        assert (step.goal.mac, step.goal.wanted) == (MAC, BootOverride(BootTarget.PXE))

    def test_by_http_where_that_is_asked(self) -> None:
        step = planned(FRESH, driven=False, via="http")
        assert isinstance(step, Drive)
        assert step.goal.wanted.target is BootTarget.HTTP

    @pytest.mark.parametrize(
        ("memory", "hands", "pause", "stage", "deadline", "due"),
        [
            (FRESH, Hands.BMC, Pause(NOW + 2, "busy"), "flip", FLIP_WITHIN, 2),
            (RESTARTED, Hands.BMC, PAUSE, "power-on", 300, 15),
            (FRESH, Hands.NOBODY, None, "power-on", BY_HAND, 600),
            (FRESH, Hands.PERSON, None, "power-on", BY_HAND, 600),
            (RESTARTED, Hands.WAKE, PAUSE, "power-on", BY_HAND, 600),
        ],
        ids=["flip", "power-on", "nobody", "person", "woken"],
    )
    def test_before_the_machine_is_heard(
        self,
        memory: Memory,
        hands: Hands,
        pause: Pause | None,
        stage: str,
        deadline: float,
        due: float,
    ) -> None:
        step = planned(memory, hands=hands, pause=pause)
        assert isinstance(step, Waits)
        assert (step.stage, step.since) == (stage, NOW)
        assert (step.deadline, step.due) == (NOW + deadline, NOW + due)

    def test_in_the_queue_it_has_no_deadline(self) -> None:
        memory = Memory(attempt=1, begun=NOW, queued=True)
        step = planned(memory, NOW + 1e6, pause=Pause(NOW + 1e6 + 10, "its turn"))
        assert step == Waits(POWER_QUEUE, "its turn", NOW, None, NOW + 1e6 + 10)

    def test_after_a_rung_that_was_given_up_it_flips_again(self) -> None:
        memory = Memory(attempt=1, begun=NOW, history=(RESET, GIVEN_UP))
        step = planned(memory, NOW + 301, pause=Pause(NOW + 303, "the BMC does not answer"))
        assert isinstance(step, Waits)
        assert (step.stage, step.since) == ("flip", NOW + 300)

    def test_a_bmc_that_never_takes_it_fails_the_job(self) -> None:
        step = planned(FRESH, NOW + FLIP_WITHIN, pause=Pause(NOW + FLIP_WITHIN + 2, "busy"))
        assert isinstance(step, Ends)
        assert (step.state, step.cause) == (JobState.FAILED, Cause.FAIL)
        assert step.outcome.startswith("its BMC did not take the boot override")

    def test_silence_after_a_reset_is_the_closed_loops_to_end(self) -> None:
        step = planned(RESTARTED, NOW + 400, pause=Pause(NOW + 402, "the BMC is busy"))
        assert isinstance(step, Waits)
        assert step.due == NOW + 402

    def test_with_the_operators_hand_in_it_the_deadline_counts(self) -> None:
        memory = Memory(attempt=1, begun=NOW, history=(RESET,), meddled=MEDDLED)
        waits, ends = planned(memory, driven=False), planned(memory, NOW + 300)
        assert isinstance(waits, Waits)
        assert (waits.stage, waits.due) == (POWER_ON, NOW + 15)
        assert isinstance(ends, Ends)
        assert ends.outcome.startswith("bob asked for power off at 13:46:41 UTC; the machine was")

    @pytest.mark.parametrize(
        ("state", "ends"),
        [
            (State.INSTALLED, Ends(JobState.DONE, "it called home")),
            (
                State.AVAILABLE,
                Ends(
                    JobState.FAILED,
                    "the node is available by now: it was taken out of its installation",
                ),
            ),
        ],
    )
    def test_the_nodes_own_state_ends_it(self, state: State, ends: Ends) -> None:
        assert planned(RESTARTED, state=state) == ends

    def test_another_installation_ends_it(self) -> None:
        node = Node("n1", (MAC,), "debian-12", state=State.INSTALLED, installation=2)
        job = Job(1, "n1", JobKind.INSTALL, "alice", JobState.ACTIVE, NOW, NOW, NOW, {}, 1)
        step = install.plan(View(job, node, Hands.BMC, FRESH), NOW)
        assert step == Ends(JobState.FAILED, "another installation was asked for since")


class TestPatience:
    @pytest.mark.parametrize("stage", WAITS)
    def test_every_stage_has_a_clause_and_is_given_time_to_start_over(self, stage: Stage) -> None:
        row = patience(Boot(stage, waiting=True))
        assert row.stage == stage.slug
        assert row.waits_for != WAITS[stage].missing
        assert row.seconds == WAITS[stage].seconds + STARTING_OVER

    def test_one_that_is_late_says_so(self) -> None:
        said = patience(Boot(Stage.KERNEL, told=True)).waits_for
        assert said.startswith("the kernel to be fetched; it is late: script fetched but no kernel")


class TestWatching:
    def test_what_came_before_the_reset_does_not_count(self) -> None:
        memory = heard(RESTARTED, (Kind.DISCOVER, NOW - 1))
        assert memory.watched.boot is None
        assert memory.watched.after == 1

    def test_a_stage_begins_when_its_event_came(self) -> None:
        memory = heard(RESTARTED, (Kind.DISCOVER, NOW + 40), (Kind.DISCOVER, NOW + 44))
        assert (memory.watched.since, memory.watched.first) == (NOW + 40, NOW + 40)
        assert memory.watched.last == NOW + 44

    @pytest.mark.parametrize(
        ("data", "meddled"),
        [
            ({"asked": "power off", "came": "asked", "by": "bob"}, True),
            ({"asked": "power off", "came": "asked", "by": "alice", "job": "1"}, False),
            ({"asked": "power off", "came": "asked", "by": "alice", "job": "2"}, True),
            ({"asked": "power off", "came": "done", "by": "bob"}, False),
            ({"asked": "boot pxe once", "came": "asked", "by": "bob"}, False),
        ],
    )
    def test_whose_action_is_an_operators(self, data: dict[str, str], *, meddled: bool) -> None:
        record = Record(1, Heard(Kind.BMC, MAC, "n1", "", data, NOW + 5))
        assert (watch(RESTARTED, [record], 1).meddled is not None) is meddled


class TestMemory:
    def test_it_survives_its_row(self) -> None:
        memory = heard(RESTARTED, (Kind.DISCOVER, NOW + 40), (Kind.LOADER, NOW + 44))
        again = decoded(encoded(memory))
        assert again.history == memory.history
        assert boot_of(again.watched) == boot_of(memory.watched) is not None
        assert encoded(again) == encoded(memory)

    def test_a_stage_is_kept_by_its_name(self) -> None:
        kept = encoded(heard(RESTARTED, (Kind.LOADER, NOW + 1)))
        assert b'"stage":"ipxe"' in kept

    def test_what_another_version_wrote_beside_it_is_passed_over(self) -> None:
        assert decoded(b'{"attempt":2,"colour":"red"}') == Memory(attempt=2)

    def test_readings_that_show_nothing_new_are_left_out(self) -> None:
        readings = tuple(
            Event(NOW + at, None, Did.READ, Came.OK, f"word {at}", power=PowerState.ON)
            for at in range(1000)
        )
        found = decoded(encoded(Memory(history=(*readings, RESET, readings[0]))))
        assert found.history == (readings[0], RESET)


class TestStop:
    OFF = Goal(
        MAC,
        BootOverride(BootTarget.NONE),
        (Rung.CYCLE_ONLY,),
        reset=PowerAction.OFF,
        sign=Sign.NONE,
        within=60,
    )
    INTENT = Event(NOW, Rung.CYCLE_ONLY, Did.RESET, Came.INTENT, action=PowerAction.OFF)

    def came(self, came: Came) -> Event:
        return Event(NOW, Rung.CYCLE_ONLY, Did.RESET, came, "words", action=PowerAction.OFF)

    @pytest.mark.parametrize(
        ("came", "read", "after", "step"),
        [
            (None, None, 0, Wait),
            (None, PowerState.OFF, 0, Done),
            (None, PowerState.ON, 0, Power),
            ([], PowerState.ON, 10, Wait),
            ([], PowerState.ON, 61, Power),
            ([Came.OK], PowerState.ON, 10, Wait),
            ([Came.OK], PowerState.ON, 61, Failed),
            ([Came.OK], PowerState.OFF, 5, Done),
            ([Came.OK], PowerState.UNKNOWN, 0, Done),
            ([Came.REFUSED], PowerState.ON, 0, Failed),
            ([Came.BUSY], PowerState.ON, 5, Wait),
            ([Came.BUSY], PowerState.ON, 11, Power),
            ([Came.UNKNOWN], PowerState.ON, 61, Power),
        ],
    )
    def test_it_goes_by_what_is_read(
        self, came: list[Came] | None, read: PowerState | None, after: float, step: type
    ) -> None:
        history = () if came is None else (self.INTENT, *map(self.came, came))
        observed = None if read is None else Observed(read, None)
        assert isinstance(power.stop(self.OFF, observed, history, NOW + after), step)

    def test_it_is_not_tried_for_ever(self) -> None:
        history = (self.INTENT,) * 3
        step = power.stop(self.OFF, Observed(PowerState.ON, None), history, NOW + 61)
        assert isinstance(step, Failed)
