"""From machines that were found to nodes: one for each, under a name of its own, erasing nobody."""

import pytest

from netboot.answer.profiles import load_profiles
from netboot.errors import ConfigError
from netboot.migrate import names
from netboot.migrate.found import Machine, Place, Reading
from netboot.migrate.nodes import Action, Plan, Wish, make_plan
from netboot.model import Mac, Node, State

M1, M2, M3 = (Mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 3))


def machine(name: str = "", *macs: Mac, line: int = 1, **more: object) -> Machine:
    return Machine(Place("f", line), name=name, macs=macs, **more)  # type: ignore[arg-type]


def plan(
    *machines: Machine, existing: tuple[Node, ...] = (), profile: str | None = None, **maps: str
) -> Plan:
    reading = Reading(machines=list(machines))
    return make_plan(reading, existing, Wish(profile, maps), load_profiles(), "f")


class TestProfiles:
    def test_a_new_machine_starts_from_its_disk_and_is_installed(self) -> None:
        (row,) = plan(machine("a", M1)).rows
        assert (row.action, row.node.profile, row.node.state) == (
            *(Action.ADD, "local", State.INSTALLED),
        )

    def test_what_it_boots_there_is_mapped_the_most_particular_first(self) -> None:
        one = machine("a", M1, boots=("x.efi", "tag"))
        other = machine("b", M2)
        rows = plan(one, other, profile="menu", **{"tag": "debian-12", "x.efi": "debian-13"}).rows
        assert [row.node.profile for row in rows] == ["debian-13", "menu"]
        assert all(row.node.state is State.INSTALLED for row in rows)

    @pytest.mark.parametrize(
        ("maps", "problem"),
        [
            ({"y": "local"}, '--map = "y": no machine boots that; booted: x'),
            ({"x": "nope"}, '--map = "nope": must be a known profile'),
        ],
    )
    def test_a_mapping_of_nothing_is_refused(self, maps: dict[str, str], problem: str) -> None:
        with pytest.raises(ConfigError, match=problem):
            plan(machine("a", M1, boots=("x",)), **maps)

    def test_an_unknown_profile_is_refused_before_anything_is_written(self) -> None:
        with pytest.raises(ConfigError, match='--profile = "nope": must be a known profile'):
            plan(machine("a", M1), profile="nope")

    def test_what_is_mapped_needs_no_note(self) -> None:
        reading = Reading(machines=[machine("a", M1, boots=("x", "y"))])
        for name in "xy":
            reading.note(Place("f", 1), f"{name} kernel", "why", name)
        made = make_plan(reading, (), Wish(None, {"x": "local"}), load_profiles(), "f")
        assert [note.what for note in made.notes] == ["y kernel"]


class TestNames:
    @pytest.mark.parametrize(
        ("there", "here"),
        [
            ("web1", "web1"),
            ("Web_1.lab.example", "web-1"),
            ("--a--", "a"),
            ("x" * 70, "x" * 63),
            ("52-54-00-00-00-01", "node-525400000001"),
            ("525400000001", "node-525400000001"),
            ("büro", "b-ro"),
            ("…", ""),
        ],
    )
    def test_a_name_becomes_a_host_label(self, there: str, here: str) -> None:
        assert names.host_label(there) == here

    def test_two_machines_of_one_name_stay_two(self) -> None:
        made = plan(machine("web.a", M1, line=1), machine("web.b", M2, line=2))
        assert [row.node.name for row in made.rows] == ["web", "web-2"]
        assert made.renamed[1].why == "is node web-2: web is the name of another one"

    def test_a_name_that_is_registered_is_not_taken_over(self) -> None:
        existing = (Node("web", (M2,), "local"),)
        (row,) = plan(machine("web", M1), existing=existing).rows
        assert (row.node.name, row.action) == ("web-2", Action.ADD)

    def test_a_machine_without_a_name_is_called_by_what_it_is_known_by(self) -> None:
        made = plan(machine("", M1), machine("", serial="CZ/1"))
        assert [row.node.name for row in made.rows] == ["node-525400000001", "node-cz-1"]

    def test_a_host_name_that_differs_is_a_variable(self) -> None:
        made = plan(
            machine("rack1", M1, hostname="www.lab.example"), machine("b", M2, hostname="b.lab")
        )
        assert [row.node.vars for row in made.rows] == [{"hostname": "www"}, {}]

    def test_labels_are_made_of_what_labels_may_have(self) -> None:
        (row,) = plan(machine("a", M1, labels={"tag/über x": "lab a", "…": "x"})).rows
        assert row.node.labels == {"tag/-ber-x": "lab-a"}


class TestOneMachineTwice:
    def test_an_address_in_common_makes_one_machine(self) -> None:
        first = machine("a", M1, labels={"x": "1"})
        second = machine("", M1, M2, line=2, labels={"x": "2", "y": "2"}, boots=("f",))
        (row,) = plan(first, second).rows
        assert row.node.macs == (M1, M2)
        assert row.node.labels == {"x": "1", "y": "2"}

    def test_a_contradiction_is_said(self) -> None:
        made = plan(machine("a", M1), machine("b", M1, line=2))
        assert [row.node.name for row in made.rows] == ["a"]
        assert [(note.place.line, note.what) for note in made.notes] == [(2, "name b")]

    def test_what_would_join_two_machines_is_left_out(self) -> None:
        made = plan(machine("a", M1), machine("b", M2), machine("c", M1, M2, line=3))
        assert [row.node.name for row in made.rows] == ["a", "b"]
        assert made.notes[0].why == "is more than one machine: f:1 and f:1"


class TestRegistered:
    NODE = Node("n1", (M1,), "debian-12", {"x": "mine"}, {"disk": "/dev/sda"}, asset_tag="ROW 7")

    def test_it_keeps_what_it_has_and_gets_what_is_new(self) -> None:
        found = machine("web1", M1, M2, labels={"x": "1", "y": "2"}, vars={"disk": "b", "ip": "c"})
        (row,) = plan(found, existing=(self.NODE,), profile="menu").rows
        assert row.action is Action.CHANGE
        assert row.node == Node(
            *("n1", (M1, M2), "debian-12", {"x": "mine", "y": "2"}),
            {"disk": "/dev/sda", "ip": "c"},
            asset_tag="ROW 7",
        )

    def test_the_same_again_changes_nothing(self) -> None:
        found = (
            machine("a", M1, labels={"x": "1"}),
            machine("a", M2),
            machine("", uuid=None, serial="S1"),
        )
        first = tuple(row.node for row in plan(*found).rows)
        assert {row.action for row in plan(*found, existing=first).rows} == {Action.SAME}

    def test_addresses_of_two_nodes_are_not_joined(self) -> None:
        existing = (self.NODE, Node("n2", (M2,), "local"))
        made = plan(machine("a", M1, M2), existing=existing)
        assert made.rows == ()
        assert made.notes[0].why == "has addresses of several nodes: n1, n2"

    def test_a_node_is_given_to_one_machine_only(self) -> None:
        node = Node("n1", (M1, M2), "local")
        made = plan(machine("a", M1, line=1), machine("b", M2, line=2), existing=(node,))
        assert [row.node.name for row in made.rows] == ["n1"]
        assert made.notes[0].why == "is node n1, as f:1 is"


def test_more_than_a_node_may_have_is_left_out_and_said() -> None:
    macs = tuple(Mac(f"52:54:00:00:01:{n:02x}") for n in range(70))
    made = plan(machine("a", *macs))
    assert len(made.rows[0].node.macs) == 64
    assert made.notes[0].what == "70 MACs"
