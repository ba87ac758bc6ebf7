"""Groups: who is in one, who wins, what a node has in effect and who gave it; in the store too."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.answer.answers import render_answer
from netboot.answer.render import Templates
from netboot.answer.script import render_script
from netboot.errors import ConfigError
from netboot.groups import Groups, in_effect, origins, profile_of
from netboot.model import (
    Answer,
    AnswerKind,
    Arch,
    Client,
    Firmware,
    Group,
    Mac,
    Node,
    Profile,
    Server,
)
from netboot.snapshot import Snapshot, decode, encode
from netboot.store.group_shapes import GroupChange, changed_group, group_change_of, new_group
from netboot.store.shapes import NodeChange, Unknown
from netboot.store.store import Store

MAC = Mac("52:54:00:00:00:01")
NODE = Node("n1", (MAC,), None, {"rack": "3", "role": "db"}, {"a": "node"})
RACK = Group("rack", {"rack": "3"}, "local", {"a": "rack", "b": "rack", "c": "rack", "d": "rack"})
DB = Group("db", {"role": "db", "rack": "3"}, None, {"b": "db"})
FIRST = Group("a-first", {"role": "db"}, "menu", {"c": "first"})
URGENT = Group("z-urgent", {"role": "db"}, None, {"d": "urgent"}, priority=1)
PROFILE = Profile("local", "ipxe/own.ipxe", vars={"a": "profile", "e": "profile"})
GROUPS = (RACK, DB, FIRST, URGENT)


def names(groups: tuple[Group, ...]) -> list[str]:
    return [group.name for group in groups]


class TestOf:
    def test_all_labels_of_a_group_must_match(self) -> None:
        known = Groups([DB])
        assert names(known.of(NODE)) == ["db"]
        assert known.of(Node("n2", labels={"role": "db"})) == ()
        assert known.of(Node("n2", labels={"role": "db", "rack": "4"})) == ()
        assert known.of(Node("n2")) == ()

    def test_more_labels_then_priority_then_the_name_win(self) -> None:
        assert names(Groups(GROUPS).of(NODE)) == ["db", "z-urgent", "a-first", "rack"]

    @given(
        st.lists(
            st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=1), max_size=8
        ),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from("12")),
    )
    def test_it_finds_what_asking_each_group_finds(
        self, choices: list[dict[str, str]], labels: dict[str, str]
    ) -> None:
        groups = [Group(f"g{number}", chosen) for number, chosen in enumerate(choices)]
        found = Groups(groups).of(Node("n1", labels=labels))
        assert set(names(found)) == {g.name for g in groups if g.labels.items() <= labels.items()}


class TestInEffect:
    def test_a_value_comes_from_the_first_that_has_it(self) -> None:
        groups = Groups(GROUPS).of(NODE)
        assert in_effect(NODE, groups).vars == {
            "a": "node",
            "b": "db",
            "c": "first",
            "d": "urgent",
        }
        assert origins(NODE, groups, PROFILE) == {
            "a": ("node", "node"),
            "b": ("db", "group db"),
            "c": ("first", "group a-first"),
            "d": ("urgent", "group z-urgent"),
            "e": ("profile", "profile local"),
        }

    def test_a_profile_comes_from_the_first_group_that_gives_one(self) -> None:
        groups = Groups(GROUPS).of(NODE)
        assert profile_of(NODE, groups) == ("menu", "group a-first")
        assert profile_of(Node("n1", profile="x"), groups) == ("x", "node")
        assert profile_of(NODE, ()) == (None, "")


class TestSnapshot:
    def test_nodes_are_given_in_effect_and_travel_as_registered(self) -> None:
        snapshot = decode(encode(Snapshot(1, (NODE,), GROUPS)))
        assert snapshot == Snapshot(1, (NODE,), GROUPS)
        assert snapshot.nodes == (NODE,)
        found = snapshot.node_of(MAC)
        assert found is not None
        assert (found.profile, found.vars["c"]) == ("menu", "first")
        assert snapshot.node_of(MAC) is found

    @pytest.mark.parametrize(
        ("node", "groups", "reason"),
        [
            (Node("n1", (MAC,), "local"), (), "whose profile is local"),
            (Node("n1", (MAC,), "local", NODE.labels), GROUPS, "whose profile is local"),
            (NODE, GROUPS, "to which group a-first gives profile menu"),
            (NODE, (), "which has no profile, and none of its groups gives one"),
            (NODE, (DB,), "which has no profile, and none of its groups gives one"),
        ],
    )
    def test_a_match_says_where_the_profile_is_from(
        self, node: Node, groups: tuple[Group, ...], reason: str
    ) -> None:
        found = Snapshot(1, (node,), groups).match(Client(MAC, Firmware.UEFI, Arch.X64))
        assert found is not None
        assert found.reason == f"{MAC} belongs to node n1, {reason}"

    def test_a_stranger_is_in_no_group(self) -> None:
        stranger = Client(Mac("52:54:00:00:00:09"), Firmware.UEFI, Arch.X64)
        assert Snapshot(1, (NODE,), GROUPS).match(stranger) is None

    def test_one_of_an_older_control_program_can_be_read(self) -> None:
        old = b'{"version":3,"nodes":[{"name":"n1","macs":["%s"],"profile":"local","labels":{},'
        old += b'"vars":{}}]}'
        assert decode(old % MAC.encode()).node_of(MAC) == Node("n1", (MAC,), "local")

    def test_a_node_costs_at_most_two_kilobytes_in_a_group_of_many_variables(self) -> None:
        big = Group("big", {"rack": "3"}, "local", {f"v{n}": "x" * 100 for n in range(250)})

        def registered(number: int) -> Node:
            mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
            uuid = f"12345678-9abc-4def-8123-{number:012x}"
            labels, variables = {"rack": "3"}, {"hostname": f"n{number}"}
            return Node(f"n{number}", (Mac(mac),), None, labels, variables, uuid, f"S{number}")

        def cost(count: int) -> int:
            snapshot = decode(encode(Snapshot(1, tuple(map(registered, range(count))), (big,))))
            for node in snapshot.nodes:
                snapshot.node_of(node.macs[0])
            return _size(snapshot, set())

        assert (cost(300) - cost(100)) / 200 < 2048


def _size(value: Any, seen: set[int]) -> int:
    """Bytes of a value and everything it refers to, each once."""
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        parts = [getattr(value, name) for name in slots if hasattr(value, name)]
        parts += [vars(value)] if hasattr(value, "__dict__") else []
    return sys.getsizeof(value) + sum(_size(part, seen) for part in parts)


def test_scripts_and_answer_files_are_made_of_what_is_in_effect(tmp_path: Path) -> None:
    (tmp_path / "ipxe").mkdir()
    (tmp_path / "ipxe" / "own.ipxe").write_text("{{ vars.a }} {{ vars.b }} {{ vars.e }}\n")
    (tmp_path / "own.cfg.j2").write_text("{{ node.vars.d }} {{ vars.e }}\n")
    answer = Answer(AnswerKind.PRESEED, "own.cfg.j2")
    profile = Profile("local", "ipxe/own.ipxe", answer=answer, vars=PROFILE.vars)
    templates, server = Templates([tmp_path]), Server("192.0.2.1", "192.0.2.1", 8080)
    node = Snapshot(1, (NODE,), GROUPS).node_of(MAC)
    client = Client(MAC, Firmware.IPXE, Arch.X64)
    script = render_script(node, client, profile, None, server, None, templates=templates)
    assert script == "node db profile\n"
    answers = render_answer("preseed.cfg", node, profile, server, None, templates=templates)
    assert answers == b"urgent profile\n"


class TestShapes:
    def after(self, group: Group, raw: dict[str, Any]) -> Group:
        return changed_group(group, group_change_of(raw, "F", {"local"}), "F")

    def test_what_is_not_named_stays(self) -> None:
        assert self.after(RACK, {}) == RACK

    def test_each_thing_is_set_and_taken_out(self) -> None:
        raw = {"labels": {"rack": None, "row": "1"}, "profile": "", "vars": {"a": None, "x": "y"}}
        assert self.after(RACK, raw | {"priority": -3}) == Group(
            "rack", {"row": "1"}, None, {"b": "rack", "c": "rack", "d": "rack", "x": "y"}, -3
        )

    @pytest.mark.parametrize(
        ("raw", "line"),
        [
            ({"labels": {"rack": None}}, "labels: group rack needs a label that chooses its nodes"),
            ({"labels": {"a b": "x"}}, 'labels."a b" = "a b": must be a label'),
            ({"profile": "x"}, 'profile = "x": must be a known profile: local'),
            ({"vars": {"a-b": ""}}, 'vars.a-b = "a-b": must be a variable\'s name'),
            ({"vars": {f"v{n}": "" for n in range(256)}}, "vars: would be 260; at most 256 are"),
            ({"priority": 10**9}, "priority = 1000000000: must be an integer from -1000000 to"),
            ({"name": "x"}, "name: is no known key; allowed here: labels, profile, vars, priority"),
        ],
    )
    def test_a_mistake_names_the_key(self, raw: dict[str, Any], line: str) -> None:
        with pytest.raises(ConfigError) as caught:
            self.after(RACK, raw)
        assert str(caught.value).startswith(f"F: {line}")

    @pytest.mark.parametrize("name", ["", "A", "a b", "a.b", "-a", "x" * 64])
    def test_a_name_that_cannot_be(self, name: str) -> None:
        with pytest.raises(ConfigError, match=r"^F: name = .*: must be a host name without dots"):
            new_group(name, "F")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        yield opened


class TestStore:
    def test_a_group_is_made_changed_and_forgotten(self, store: Store) -> None:
        made = store.set_group("rack", GroupChange(labels={"rack": "3"}, vars={"a": "b"}))
        assert store.groups() == [made] == [Group("rack", {"rack": "3"}, None, {"a": "b"})]
        changed = store.set_group("rack", GroupChange(priority=2))
        assert store.groups() == [changed] == [Group("rack", {"rack": "3"}, None, {"a": "b"}, 2)]
        assert store.snapshot().groups == (changed,)
        store.remove_group("rack")
        assert store.groups() == []
        with pytest.raises(Unknown, match='no group is called "rack"'):
            store.remove_group("rack")

    def test_each_change_counts_and_nothing_else_does(self, store: Store) -> None:
        change = GroupChange(labels={"rack": "3"})
        for expected in (1, 1):
            store.set_group("rack", change)
            assert store.version() == expected
        store.remove_group("rack")
        assert store.version() == 2

    def test_a_node_needs_a_profile_of_its_own_or_a_groups(self, store: Store) -> None:
        line = "profile: node n1 has no profile, and no group gives its labels one"
        with pytest.raises(ConfigError, match=line):
            store.add(NODE)
        store.set_group("rack", GroupChange(labels={"rack": "3"}, profile="local"))
        store.add(NODE)
        assert store.get("n1").profile is None
        with pytest.raises(ConfigError, match=line):
            store.update("n1", NodeChange(labels={"rack": None}))
        line = rf"^F: \[1\]\.{line.replace('n1', 'n3')}$"
        with pytest.raises(ConfigError, match=line):
            store.import_nodes([Node("n2", serial="A2", profile="x"), Node("n3", serial="A3")], "F")

    @pytest.mark.parametrize(
        "change", [GroupChange(profile=""), GroupChange(labels={"rack": "4"}), None]
    )
    def test_no_node_is_left_without_a_profile(
        self, store: Store, change: GroupChange | None
    ) -> None:
        store.set_group("rack", GroupChange(labels={"rack": "3"}, profile="local"))
        store.add(NODE)
        store.add(Node("n2", serial="A2", labels={"rack": "3"}))
        before = store.snapshot()
        with pytest.raises(ConfigError, match="node n1 and 1 more would be left without a profile"):
            store.remove_group("rack") if change is None else store.set_group("rack", change)
        assert store.snapshot() == before
        store.set_group("other", GroupChange(labels={"rack": "3"}, profile="menu"))
        store.remove_group("rack")

    def test_the_table_has_a_bound(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netboot.store.store.MAX_GROUPS", 1)
        store.set_group("a", GroupChange(labels={"x": "1"}))
        with pytest.raises(ConfigError, match="there are 1 groups; no more fit"):
            store.set_group("b", GroupChange(labels={"x": "1"}))
        store.set_group("a", GroupChange(labels={"x": "2"}))
