"""What becomes of nodes in the store: who may say what, and what of it is written down."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netboot.events import Event, Kind
from netboot.job import JobKind
from netboot.lifecycle import Cause
from netboot.model import Mac, Node, State
from netboot.store.shapes import Conflict, NodeChange, Unknown, nodes_of
from netboot.store.store import Store

MAC = Mac("52:54:00:00:00:01")
N1 = Node("n1", (MAC,), "debian-12")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        opened.add(N1)
        yield opened


def history(store: Store) -> list[Event]:
    return [one.event for one in store.timeline("n1") if one.event.kind is Kind.STATE]


def installed(number: int = 1) -> Event:
    return Event(Kind.INSTALLED, MAC, "n1", "", {"installation": number}, 77.0)


def test_every_change_has_its_cause_and_time_in_the_timeline(store: Store) -> None:
    store.append_events([replace(installed(), kind=Kind.SCRIPT, time=66.0), installed()])
    store.change_state(["n1"], Cause.RETIRE, "alice", now=88.0)
    store.remove("n1")
    told = history(store)
    assert [(event.data["from"], event.data["cause"], event.data["to"]) for event in told] == [
        ("discovered", "registered", "enrolled"),
        ("enrolled", "script", "installing"),
        ("installing", "called-home", "installed"),
        ("installed", "retire", "retired"),
        ("retired", "removed", "discovered"),
    ]
    assert [event.time for event in told[1:4]] == [66.0, 77.0, 88.0]
    assert told[3].detail == "installed → retired: taken out of service by alice"
    assert told[3].data["by"] == "alice"
    assert {event.mac for event in told} == {MAC}


def test_a_state_and_its_line_are_written_together_or_not_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.get("n1"), store.version(), history(store)

    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("netboot.store.transitions._write", fail)
    with pytest.raises(RuntimeError):
        store.change_state(["n1"], Cause.RETIRE, "alice")
    assert (store.get("n1"), store.version(), history(store)) == before


@pytest.mark.parametrize("pause", [Cause.MAINTAIN])
@pytest.mark.parametrize("state", [State.ENROLLED, State.INSTALLED, State.AVAILABLE])
def test_a_pause_leads_back_to_what_it_interrupted(
    store: Store, pause: Cause, state: State
) -> None:
    if state is State.INSTALLED:
        store.append_events([installed()])
    elif state is State.AVAILABLE:
        store.change_state(["n1"], Cause.HAND_BACK, "alice")
    store.change_state(["n1"], pause, "alice")
    [node] = store.change_state(["n1"], Cause.RESUME, "alice")
    assert node.state is state


def test_what_failed_says_why_again_after_a_pause(store: Store) -> None:
    store.submit("n1", JobKind.WIPE, "alice")
    store.append_events([replace(installed(2), kind=Kind.SCRIPT)])
    store.cancel(1, "alice")
    [paused] = store.change_state(["n1"], Cause.MAINTAIN, "alice")
    assert paused.because == ""
    [node] = store.change_state(["n1"], Cause.RESUME, "alice")
    assert (node.state, node.because) == (State.FAILED, "cancelled by alice")


def test_what_a_machine_did_before_a_pause_counts_for_what_comes_after(store: Store) -> None:
    store.install(["n1"], ["debian-12"])
    store.change_state(["n1"], Cause.MAINTAIN, "alice")
    store.append_events([installed(2), installed()])
    assert store.get("n1").state is State.MAINTENANCE
    [node] = store.change_state(["n1"], Cause.RESUME, "alice")
    assert node.state is State.INSTALLED


def test_an_installer_that_was_given_up_and_got_there_is_believed(store: Store) -> None:
    store.submit("n1", JobKind.INSTALL, "alice")
    store.append_events([replace(installed(), kind=Kind.SCRIPT)])
    store.cancel(1, "alice")
    assert store.get("n1").because == "cancelled by alice"
    store.append_events([installed()])
    assert (store.get("n1").state, store.get("n1").because) == (State.INSTALLED, "")


def test_nobody_says_what_only_a_job_or_a_machine_can(store: Store) -> None:
    with pytest.raises(ValueError, match="called-home is nothing that somebody says"):
        store.change_state(["n1"], Cause.CALLED_HOME, "alice")


def test_all_of_them_or_none(store: Store) -> None:
    with pytest.raises(Unknown):
        store.change_state(["n1", "n2"], Cause.RETIRE, "alice")
    store.add(replace(N1, name="n2", macs=(Mac("52:54:00:00:00:02"),)))
    store.change_state(["n2"], Cause.RETIRE, "alice")
    with pytest.raises(Conflict, match=r"n2: it is out of service \(retired\): retire is refused"):
        store.change_state(["n1", "n2"], Cause.RETIRE, "alice")
    assert store.get("n1").state is State.ENROLLED


def test_a_job_that_has_not_ended_is_in_the_way_of_all_but_the_word_that_it_is_done(
    store: Store,
) -> None:
    store.submit("n1", JobKind.INSTALL, "alice")
    for cause in (Cause.MAINTAIN, Cause.HAND_BACK):
        with pytest.raises(Conflict, match=r"has job 1 \(install\).* netboot job cancel 1"):
            store.change_state(["n1"], cause, "bob")
    [node] = store.change_state(["n1"], Cause.ADOPTED, "bob")
    assert node.state is State.INSTALLED


def test_a_change_of_what_was_registered_leaves_the_life_alone(store: Store) -> None:
    store.install(["n1"], ["debian-12"])
    store.update("n1", NodeChange(profile="debian-13"))
    node = store.get("n1")
    assert (node.profile, node.state) == ("debian-13", State.INSTALLING)


class TestImported:
    def imported(self, store: Store, state: State, name: str = "n1") -> Node:
        raw = [{"name": name, "macs": [MAC], "profile": "debian-12", "state": state.value}]
        store.import_nodes(nodes_of(raw, "nodes.yaml", ["debian-12"]))
        return store.get(name)

    @pytest.mark.parametrize("state", [State.MAINTENANCE, State.RETIRED])
    def test_a_file_takes_no_node_out_of_what_somebody_put_it_in(
        self, store: Store, state: State
    ) -> None:
        cause = Cause.MAINTAIN if state is State.MAINTENANCE else Cause.RETIRE
        store.change_state(["n1"], cause, "alice")
        assert self.imported(store, State.INSTALLED).state is state

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            (State.ENROLLED, State.ENROLLED),
            (State.INSTALLED, State.INSTALLED),
            (State.INSTALLING, State.ENROLLED),
            (State.FAILED, State.AVAILABLE),
            (State.RESCUE, State.AVAILABLE),
            (State.WIPING, State.AVAILABLE),
            (State.MAINTENANCE, State.MAINTENANCE),
            (State.RETIRED, State.RETIRED),
        ],
    )
    def test_a_list_of_another_store_is_taken_over_but_nothing_that_was_under_way(
        self, store: Store, said: State, state: State
    ) -> None:
        store.remove("n1")
        assert self.imported(store, said, "n2").state is state
        if state is State.MAINTENANCE:
            [node] = store.change_state(["n2"], Cause.RESUME, "alice")
            assert node.state is State.ENROLLED or node.state is State.AVAILABLE

    def test_a_thousand_nodes_are_a_thousand_lines(self, store: Store) -> None:
        many = [
            replace(N1, name=f"m{n}", macs=(Mac(f"52:54:00:01:{n >> 8:02x}:{n & 255:02x}"),))
            for n in range(1000)
        ]
        store.import_nodes(many)
        assert [one.event.data["to"] for one in store.timeline("m999")] == ["enrolled"]
