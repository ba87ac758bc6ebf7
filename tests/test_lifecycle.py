"""The life of a node as one table: what follows on what, and what is refused with which words."""

import pytest

from netboot.job import JobKind, JobState
from netboot.lifecycle import (
    ASKED,
    BACK,
    BESIDE,
    ERASING,
    PAUSES,
    TRANSITIONS,
    UNDER_WAY,
    WORDS,
    Cause,
    Illegal,
    after,
    beginning,
    causes,
    ending,
)
from netboot.model import State

PAIRS = [(state, cause) for state in State for cause in Cause]


def walk(*steps: Cause) -> list[State]:
    states, came_from = [State.DISCOVERED], None
    for cause in steps:
        states.append(after(states[-1], cause, came_from))
        came_from = states[-2]
    return states[1:]


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        (
            [Cause.REGISTERED, Cause.SCRIPT, Cause.CALLED_HOME, Cause.REINSTALL, Cause.CALLED_HOME],
            [
                State.ENROLLED,
                State.INSTALLING,
                State.INSTALLED,
                State.REINSTALLING,
                State.INSTALLED,
            ],
        ),
        (
            [Cause.REGISTERED, Cause.INSPECT, Cause.INSPECTED, Cause.INSTALL, Cause.CALLED_HOME],
            [
                State.ENROLLED,
                State.INSPECTING,
                State.AVAILABLE,
                State.INSTALLING,
                State.INSTALLED,
            ],
        ),
        (
            [Cause.REGISTERED, Cause.INSTALL, Cause.FAIL, Cause.INSTALL, Cause.BREAK_OFF],
            [
                State.ENROLLED,
                State.INSTALLING,
                State.FAILED,
                State.INSTALLING,
                State.FAILED,
            ],
        ),
        (
            [Cause.ADOPTED, Cause.RESCUE, Cause.RESUME, Cause.WIPE, Cause.CALLED_HOME],
            [
                State.INSTALLED,
                State.RESCUE,
                State.INSTALLED,
                State.WIPING,
                State.AVAILABLE,
            ],
        ),
        (
            [Cause.ADOPTED, Cause.MAINTAIN, Cause.RETIRE, Cause.RESUME, Cause.REMOVED],
            [
                State.INSTALLED,
                State.MAINTENANCE,
                State.RETIRED,
                State.AVAILABLE,
                State.DISCOVERED,
            ],
        ),
    ],
    ids=["installed twice", "inspected first", "failed", "rescued and wiped", "retired"],
)
def test_a_life(steps: list[Cause], states: list[State]) -> None:
    assert walk(*steps) == states


@pytest.mark.parametrize(("state", "cause"), PAIRS)
def test_what_is_in_no_table_is_refused_and_says_what_is_allowed(
    state: State, cause: Cause
) -> None:
    if (state, cause) in TRANSITIONS or (state, cause) in BACK:
        assert cause in causes(state)
        assert isinstance(after(state, cause, State.INSTALLED), State)
        return
    with pytest.raises(Illegal) as refused:
        after(state, cause)
    words = str(refused.value)
    assert f"({state}): {cause} is refused; allowed: " in words
    listed = words.partition("allowed: ")[2].split(", ")
    assert listed == [one for one in causes(state) if one in ASKED]


def test_each_pair_is_in_one_table() -> None:
    assert not BACK & TRANSITIONS.keys()


@pytest.mark.parametrize("state", [one for one in State if one is not State.DISCOVERED])
def test_every_state_can_be_reached_and_left(state: State) -> None:
    reached = {State.DISCOVERED}
    while more := {to for (of, _), to in TRANSITIONS.items() if of in reached} - reached:
        reached |= more
    assert state in reached
    assert {after(state, cause) for cause in causes(state)} - {state}


@pytest.mark.parametrize("state", sorted(PAUSES))
def test_a_pause_leads_back_to_what_it_interrupted(state: State) -> None:
    enters = [of for (of, _), to in TRANSITIONS.items() if to is state]
    assert enters
    assert not set(enters) & PAUSES  # else it would lead back to a pause
    for before in enters:
        assert after(state, Cause.RESUME, before) is before


def test_where_a_state_came_from_is_not_known_nothing_is_erased() -> None:
    assert {after(state, cause) for state, cause in BACK} == {State.AVAILABLE}


@pytest.mark.parametrize("state", sorted(ERASING))
def test_a_disk_that_may_be_half_erased_is_never_taken_for_a_whole_one(state: State) -> None:
    for cause in (Cause.FAIL, Cause.BREAK_OFF):
        assert after(state, cause, State.INSTALLED) is State.FAILED


def test_only_the_word_of_a_person_or_a_first_boot_leads_to_erasing() -> None:
    leads = {cause for (of, cause), to in TRANSITIONS.items() if to in ERASING and of is not to}
    assert leads == {Cause.INSTALL, Cause.REINSTALL, Cause.WIPE, Cause.SCRIPT}
    assert [of for of, cause in TRANSITIONS if cause is Cause.SCRIPT] == [State.ENROLLED]
    assert [of for of, cause in TRANSITIONS if cause is Cause.REINSTALL] == [State.INSTALLED]


def test_every_cause_is_used_and_has_its_words() -> None:
    assert {cause for _, cause in (*TRANSITIONS, *BACK)} == set(Cause) == set(WORDS)


AT_REST = (State.ENROLLED, State.AVAILABLE, State.INSTALLED, State.FAILED)
BEGUN: dict[JobKind, dict[State, Cause | None]] = {
    JobKind.INSTALL: {
        State.ENROLLED: Cause.INSTALL,
        State.INSPECTING: Cause.INSTALL,
        State.AVAILABLE: Cause.INSTALL,
        State.INSTALLING: Cause.INSTALL,
        State.REINSTALLING: Cause.INSTALL,
        State.INSTALLED: Cause.REINSTALL,
        State.FAILED: Cause.INSTALL,
    },
    JobKind.RESCUE: dict.fromkeys((*AT_REST, State.INSPECTING), Cause.RESCUE),
    JobKind.WIPE: dict.fromkeys((*AT_REST, State.INSPECTING), Cause.WIPE),
    JobKind.INSPECT: {
        state: Cause.INSPECT if state in (State.ENROLLED, State.AVAILABLE) else None
        for state in State
        if state not in (State.MAINTENANCE, State.DISCOVERED)
    },
    JobKind.POWER: {
        state: None for state in State if state not in (State.MAINTENANCE, State.DISCOVERED)
    },
}


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("state", State)
def test_a_job_begins_by_its_cause_or_not_at_all(kind: JobKind, state: State) -> None:
    if state in BEGUN[kind]:
        assert beginning(state, kind) is BEGUN[kind][state]
    else:
        with pytest.raises(Illegal, match=f"{state}"):
            beginning(state, kind)


@pytest.mark.parametrize("kind", JobKind)
def test_the_end_of_a_job_beside_another_leaves_that_one_s_state_alone(kind: JobKind) -> None:
    said = ending(State.INSTALLING, kind, JobState.FAILED, Cause.FAIL)
    assert said is (None if kind in BESIDE else Cause.FAIL)


@pytest.mark.parametrize("kind", JobKind)
def test_no_failure_leaves_a_node_in_the_state_its_job_brought_it_to(kind: JobKind) -> None:
    for state in UNDER_WAY[kind]:
        cause = ending(state, kind, JobState.FAILED, None)
        assert cause is not None
        assert after(state, cause, State.ENROLLED) not in UNDER_WAY[kind]
    assert ending(State.INSTALLED, kind, JobState.FAILED, None) is None


def test_each_kind_of_job_brings_its_node_to_its_own_states() -> None:
    for kind, begun in BEGUN.items():
        brings = {after(state, cause) for state, cause in begun.items() if cause}
        assert brings == UNDER_WAY[kind]
