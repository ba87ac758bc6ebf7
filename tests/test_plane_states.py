"""What a machine is given in each state of its node, and what its token is still good for."""

from dataclasses import replace
from pathlib import Path

import pytest

from netboot.errors import NotServed
from netboot.events import Kind
from netboot.model import State
from netboot.snapshot import Snapshot
from tests.test_plane import KNOWN, LOCAL, N1, PEER, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def shows(desk: Desk, state: State, installation: int = 1, because: str = "") -> None:
    node = replace(N1, state=state, installation=installation, because=because)
    desk.machines.follow(Snapshot(desk.machines.snapshot.version + 1, (node,)))


def test_what_failed_is_said_on_the_machine_s_own_screen_before_its_disk_starts(
    desk: Desk,
) -> None:
    shows(desk, State.FAILED, because="no DISCOVER; `cable` ${net0/mac} && goto\nshell")
    desk.boots()
    script = desk.script()
    assert script.startswith("#!ipxe\n")
    said = next(line for line in script.splitlines() if "failed" in line)
    assert said == (
        "echo n1: what was done to it last failed (no DISCOVER? ?cable? ?{net0/mac} ?? goto?shell)."
        " It starts from its disk? to try again: netboot node install n1"
    )
    assert script.index(said) < script.index("starting from the local disk")
    assert "/node/" not in script


def test_whom_nothing_happened_to_is_told_nothing(desk: Desk) -> None:
    shows(desk, State.INSTALLED, because="")
    desk.boots()
    assert "sleep" not in desk.script()


def test_rescue_gets_its_script_and_its_answers_and_ends_no_installation(desk: Desk) -> None:
    desk.machines.rules = replace(
        desk.machines.rules,
        profiles={
            **desk.machines.rules.profiles,
            "rescue": replace(desk.machines.rules.profiles["rescue"], image="debian-12"),
        },
    )
    shows(desk, State.RESCUE)
    desk.boots()
    script = desk.script()
    assert "rescue/enable=true" in script
    token = desk.token(script)
    assert b"rescue" in desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
    desk.said()
    desk.plane.report(token, {"detail": "here"}, PEER, last=True)
    assert desk.said() == [(Kind.PROGRESS, "here")]
    assert "rescue/enable=true" in desk.script()


def test_a_wipe_is_over_with_its_call_home_whatever_the_snapshot_says_yet(desk: Desk) -> None:
    rules = desk.machines.rules
    wipe = replace(rules.profiles["wipe"], image="debian-12")
    desk.machines.rules = replace(rules, profiles={**rules.profiles, "wipe": wipe})
    shows(desk, State.WIPING, installation=2)
    desk.boots()
    token = desk.token(desk.script())
    assert b"list-devices disk" in desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
    desk.plane.report(token, {"detail": "erased /dev/sda"}, PEER, last=True)
    assert desk.said()[-1] == (Kind.INSTALLED, "called home: wiped; erased /dev/sda")
    assert "from the local disk" in desk.script()
    shows(desk, State.AVAILABLE, installation=3)
    assert not desk.machines.installations.kept()


def test_a_retired_machine_is_not_answered(desk: Desk) -> None:
    shows(desk, State.RETIRED)
    with pytest.raises(NotServed, match="it is retired"):
        desk.script()


class TestGivenUp:
    """An installation that took too long failed; its installer may still be at work."""

    def test_it_gets_no_more_files_and_is_still_heard(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        shows(desk, State.FAILED, because="it took too long")
        with pytest.raises(NotServed):
            desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
        desk.said()
        desk.plane.report(token, {"stage": "late"}, PEER, last=False)
        desk.plane.report(token, {}, PEER, last=True)
        assert desk.said() == [(Kind.PROGRESS, "late"), (Kind.INSTALLED, "called home: installed")]
        desk.plane.report(token, {}, PEER, last=True)
        assert desk.events == []
        with pytest.raises(NotServed):
            desk.plane.report(token, {"stage": "late"}, PEER, last=False)

    def test_it_is_told_again_until_the_store_says_so(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        shows(desk, State.FAILED)
        desk.plane.report(token, {}, PEER, last=True)
        desk.said()
        desk.now += 61
        shows(desk, State.FAILED)
        assert [kind for kind, _ in desk.said()] == [Kind.INSTALLED]
        shows(desk, State.INSTALLED)
        assert not desk.machines.installations.kept()

    def test_an_installer_of_before_is_not_heard(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        shows(desk, State.FAILED, installation=2)
        with pytest.raises(NotServed):
            desk.plane.report(token, {}, PEER, last=True)


class TestCallHomeWhileControlIsAway:
    """It is remembered until the snapshots show it, whatever becomes of the node meanwhile."""

    @pytest.fixture(autouse=True)
    def home(self, desk: Desk) -> None:
        desk.boots()
        desk.plane.report(desk.token(desk.script()), {}, PEER, last=True)
        desk.said()

    @pytest.mark.parametrize("pause", [State.MAINTENANCE, State.RESCUE])
    def test_a_pause_neither_shows_it_nor_is_told(self, desk: Desk, pause: State) -> None:
        shows(desk, pause)
        desk.now += 61
        desk.machines.remind()
        assert desk.said() == []
        shows(desk, State.INSTALLING)
        desk.boots()
        assert "from the local disk" in desk.script()

    @pytest.mark.parametrize("state", [State.INSPECTING, State.AVAILABLE, State.FAILED])
    def test_it_is_told_again_in_any_other_state(self, desk: Desk, state: State) -> None:
        desk.now += 61
        shows(desk, state)
        assert [kind for kind, _ in desk.said()] == [Kind.INSTALLED]

    @pytest.mark.parametrize("state", [State.INSTALLED, State.RETIRED])
    def test_where_no_installer_starts_by_this_number_any_more_it_is_forgotten(
        self, desk: Desk, state: State
    ) -> None:
        shows(desk, state)
        assert not desk.machines.installations.kept()

    def test_a_new_installation_is_not_over_by_it(self, desk: Desk) -> None:
        shows(desk, State.REINSTALLING, installation=2)
        desk.boots(KNOWN)
        assert "kernel " in desk.script()


def test_what_an_installer_says_that_cannot_go_on_is_its_end(desk: Desk) -> None:
    shows(desk, State.INSTALLING)
    desk.boots()
    token = desk.token(desk.script())
    desk.plane.report(token, {"fatal": "yes", "detail": "no disk fits"}, PEER, last=False)
    [failed] = [event for event in desk.events if event.kind is Kind.FAILED]
    assert (failed.detail, failed.data["installation"]) == ("no disk fits", 1)
