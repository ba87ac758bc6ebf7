"""Nodes as people write them: what is taken, and the sentence each mistake gets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.errors import ConfigError
from netboot.model import Node
from netboot.store.shapes import change_of, changed, node_of, nodes_of

PROFILES = {"debian-12", "local"}
M1, M2, M3 = (f"52:54:00:00:00:0{n}" for n in (1, 2, 3))
UUID = "4c4c4544-004d-3510-8052-b4c04f4a3132"
GOOD: dict[str, Any] = {"name": "n1", "macs": [M1], "profile": "debian-12"}


def test_a_node_is_checked_and_its_macs_are_written_one_way() -> None:
    raw = GOOD | {"macs": ["52-54-00-AA-00-01", "525400aa0002"], "labels": {"rack": "a"}}
    assert node_of(raw, "F", PROFILES) == Node(
        "n1", ("52:54:00:aa:00:01", "52:54:00:aa:00:02"), "debian-12", {"rack": "a"}, {}
    )


def test_a_node_may_be_known_by_anything_and_have_no_profile() -> None:
    raw = {"name": "n1", "uuid": UUID.upper(), "serial": " cz123 ", "asset_tag": "rack 7/3"}
    assert node_of(raw, "F", PROFILES) == Node(
        "n1", uuid=UUID, serial="CZ123", asset_tag="RACK 7/3", profile=None
    )


HOST = "must be a host name without dots: 1 to 63 lower-case letters, digits and inner -"
MAC = "must be a MAC address such as 52:54:00:12:34:56"
VAR = "must be a variable's name: a letter or _, then letters, digits and _, at most 63"
LINE = "must be one line of at most 4096 printable characters"
MISTAKES: dict[str, tuple[Any, str]] = {
    "no node": (
        3,
        "[3] = 3: must be a table with the keys name, macs, profile, labels, vars, uuid",
    ),
    "unknown key": (GOOD | {"mac": M1}, "[3].mac: is no known key; allowed here: name, macs,"),
    "no name": ({"macs": [M1], "profile": "local"}, f"[3].name: is missing; {HOST}"),
    "capital": (GOOD | {"name": "N1"}, f'[3].name = "N1": {HOST}'),
    "dot": (GOOD | {"name": "n1.example"}, f'[3].name = "n1.example": {HOST}'),
    "hyphen at the end": (GOOD | {"name": "n1-"}, f'[3].name = "n1-": {HOST}'),
    "long name": (GOOD | {"name": "n" * 64}, f'[3].name = "{"n" * 60}…": {HOST}'),
    "line end": (GOOD | {"name": "n1\n"}, f'[3].name = "n1\\n": {HOST}'),
    "a name like a MAC": (
        GOOD | {"name": "525400000001"},
        '[3].name = "525400000001": must not be a MAC address',
    ),
    "no identity": (
        GOOD | {"macs": []},
        "[3].macs: node n1 needs a MAC, a UUID, a serial number or an asset tag",
    ),
    "too many MACs": (
        GOOD | {"macs": [f"52:54:00:00:00:{n:02x}" for n in range(65)]},
        "[3].macs = a list of 65: must be a list of at most 64 MAC addresses such as",
    ),
    "bad UUID": (GOOD | {"uuid": "x"}, '[3].uuid = "x": must be a UUID such as'),
    "nobody's UUID": (
        GOOD | {"uuid": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"},
        '[3].uuid = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": is what firmware says that',
    ),
    "everybody's serial": (
        GOOD | {"serial": "To be filled by O.E.M."},
        '[3].serial = "To be filled by O.E.M.": is what vendors leave where nothing was filled in',
    ),
    "no serial": (GOOD | {"serial": ""}, '[3].serial = "": must be 1 to 64 printable ASCII'),
    "asset tag": (GOOD | {"asset_tag": "é"}, '[3].asset_tag = "é": must be 1 to 64 printable'),
    "loader": (
        GOOD | {"loader": "../x.efi"},
        '[3].loader = "../x.efi": must be a loader\'s name such as ipxe.efi or arm64/ipxe.efi',
    ),
    "bad MAC": (GOOD | {"macs": [M1, "x"]}, f'[3].macs[1] = "x": {MAC}'),
    "mixed MAC": (GOOD | {"macs": ["52:54-00:00:00:01"]}, "[3].macs[0] = "),
    "multicast": (
        GOOD | {"macs": ["01:00:5e:00:00:01"]},
        "[3].macs[0]: '01:00:5e:00:00:01' is a multicast address;",
    ),
    "MAC twice": (GOOD | {"macs": [M1, M1.upper()]}, f'[3].macs[1] = "{M1}": is there twice'),
    "profile": (
        GOOD | {"profile": "debian"},
        '[3].profile = "debian": must be a known profile: debian-12, local',
    ),
    "label": (GOOD | {"labels": {"a b": "x"}}, '[3].labels."a b" = "a b": must be a label: 1 to'),
    "label's value": (GOOD | {"labels": {"a": "x y"}}, '[3].labels.a = "x y": must be a label\'s'),
    "variable": (GOOD | {"vars": {"a-b": "x"}}, f'[3].vars.a-b = "a-b": {VAR}'),
    "two lines": (GOOD | {"vars": {"a": "x\ny"}}, f'[3].vars.a = "x\\ny": {LINE}'),
    "escape": (GOOD | {"vars": {"a": "\x1b[2J"}}, f'[3].vars.a = "\\x1b[2J": {LINE}'),
    "surrogate": (GOOD | {"vars": {"a": "\udc80"}}, f'[3].vars.a = "\\udc80": {LINE}'),
    "no text": (GOOD | {"vars": {"a": 1}}, f"[3].vars.a = 1: {LINE}"),
    "too many": (
        GOOD | {"vars": {f"v{n}": "" for n in range(257)}},
        "[3].vars = a table of 257: must be a table of at most 256 variables",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_key_value_and_what_is_allowed(name: str) -> None:
    raw, line = MISTAKES[name]
    with pytest.raises(ConfigError) as caught:
        node_of(raw, "nodes.yaml", PROFILES, "[3]")
    assert str(caught.value).startswith(f"nodes.yaml: {line}")


class TestWholeFile:
    def test_what_is_no_list(self) -> None:
        with pytest.raises(ConfigError, match=r"^F: a table of 3: must be a list"):
            nodes_of(GOOD, "F", PROFILES)

    def test_a_name_twice(self) -> None:
        with pytest.raises(ConfigError, match=r'^F: \[1\]\.name = "n1": is there already, as \[0'):
            nodes_of([GOOD, GOOD | {"macs": [M2]}], "F", PROFILES)

    def test_a_mac_twice_names_both_nodes(self) -> None:
        line = rf"^F: \[1\]\.macs\[1\]: {M1} belongs to node n1; node n2 cannot claim it too$"
        with pytest.raises(ConfigError, match=line):
            nodes_of([GOOD, GOOD | {"name": "n2", "macs": [M2, M1]}], "F", PROFILES)

    @pytest.mark.parametrize(
        ("key", "first", "second", "said"),
        [
            ("uuid", UUID, UUID.upper(), f"UUID {UUID}"),
            ("serial", "AB1", "ab1 ", "serial number AB1"),
            ("asset_tag", "a 7", "A 7", "asset tag A 7"),
        ],
    )
    def test_an_identity_twice_names_both_nodes(
        self, key: str, first: str, second: str, said: str
    ) -> None:
        line = rf"^F: \[1\]\.{key}: {said} belongs to node n1; node n2 cannot claim it too$"
        with pytest.raises(ConfigError, match=line):
            nodes_of(
                [GOOD | {key: first}, GOOD | {"name": "n2", "macs": [M2], key: second}],
                "F",
                PROFILES,
            )

    @given(st.recursive(st.none() | st.text(max_size=5), lambda i: st.lists(i, max_size=3)))
    def test_no_data_raises_anything_but_config_error(self, raw: object) -> None:
        if not raw and isinstance(raw, list):
            assert nodes_of(raw, "F", PROFILES) == []
        else:
            with pytest.raises(ConfigError):
                nodes_of(raw, "F", PROFILES)


class TestChange:
    NODE = node_of(
        GOOD | {"macs": [M1, M2], "labels": {"rack": "a"}, "vars": {"k": "v"}}, "F", PROFILES
    )

    def after(self, raw: dict[str, Any]) -> Node:
        return changed(self.NODE, change_of(raw, "F", PROFILES), "F")

    def test_nothing_named_stays(self) -> None:
        assert self.after({}) == self.NODE

    def test_macs_are_replaced_added_and_removed(self) -> None:
        assert self.after({"macs": [M3]}).macs == (M3,)
        assert self.after({"add_macs": [M3, M1]}).macs == (M1, M2, M3)
        assert self.after({"remove_macs": [M1]}).macs == (M2,)

    def test_an_identity_is_set_or_taken_out(self) -> None:
        after = self.after({"uuid": UUID.upper(), "serial": " abc-1 ", "remove_macs": [M1, M2]})
        assert (after.macs, after.uuid, after.serial) == ((), UUID, "ABC-1")
        later = changed(after, change_of({"uuid": ""}, "F", PROFILES), "F")
        assert (later.uuid, later.serial) == (None, "ABC-1")

    def test_a_profile_and_a_loader_are_set_or_taken_out(self) -> None:
        assert self.after({"profile": "local"}).profile == "local"
        assert self.after({"profile": ""}).profile is None
        assert self.after({"loader": "arm64/ipxe.efi"}).loader == "arm64/ipxe.efi"
        assert self.after({"loader": ""}).loader is None

    def test_a_key_is_set_or_taken_out(self) -> None:
        assert self.after({"labels": {"rack": None, "row": "1"}}).labels == {"row": "1"}
        assert self.after({"vars": {"k": "w", "gone": None}}).vars == {"k": "w"}

    @pytest.mark.parametrize(
        ("raw", "line"),
        [
            ({"remove_macs": [M3]}, f"remove_macs: {M3} is not one of n1's MACs"),
            ({"remove_macs": [M1, M2]}, "macs: node n1 needs a MAC, a UUID, a serial number or an"),
            ({"uuid": "0"}, 'uuid = "0": must be a UUID such as'),
            ({"serial": "None"}, 'serial = "None": is what vendors leave where nothing was'),
            ({"add_macs": ["x"]}, f'add_macs[0] = "x": {MAC}'),
            ({"profile": "x"}, 'profile = "x": must be a known profile: debian-12, local'),
            ({"name": "n2"}, "name: is no known key; allowed here: macs, add_macs"),
            ({"vars": {f"v{n}": "" for n in range(256)}}, "vars: would be 257; at most 256 are"),
        ],
    )
    def test_a_mistake_names_the_key(self, raw: dict[str, Any], line: str) -> None:
        with pytest.raises(ConfigError) as caught:
            self.after(raw)
        assert str(caught.value).startswith(f"F: {line}")
