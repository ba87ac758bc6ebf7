"""Which node a client is: one case for each identity, for each quarrel, and for what is junk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.matching import (
    JUNK_TEXT,
    JUNK_UUIDS,
    Index,
    described,
    parse_text,
    parse_uuid,
    swapped,
)
from netboot.model import Arch, Client, Firmware, Mac, Node

M1, M2, M9 = (Mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 9))
UUID1 = "12345678-9abc-4def-8123-525400000001"
UUID2 = "4c4c4544-004d-3510-8052-b4c04f4a3132"
N1 = Node("n1", (M1, M2), "local", uuid=UUID1, serial="S1", asset_tag="A1")
N2 = Node("n2", (), "local", uuid=UUID2, serial="S2", asset_tag="A2")
INDEX = Index([N1, N2])


def client(mac: Mac = M9, **says: str) -> Client:
    return Client(mac, Firmware.IPXE, Arch.X64, **says)


@pytest.mark.parametrize(
    ("asks", "name", "reason"),
    [
        (client(M1), "n1", f"{M1} belongs to node n1"),
        (client(M2), "n1", f"{M2} belongs to node n1"),
        (client(M1, uuid=UUID1, serial="S1"), "n1", f"{M1} belongs to node n1"),
        (client(uuid=UUID2), "n2", f"UUID {UUID2} belongs to node n2"),
        (client(serial="S2"), "n2", "serial number S2 belongs to node n2"),
        (client(asset_tag="A2"), "n2", "asset tag A2 belongs to node n2"),
        (
            client(M1, uuid=UUID2),
            "n1",
            f"{M1} belongs to node n1 (UUID {UUID2} belongs to node n2, but counts for less)",
        ),
        (
            client(uuid=UUID2, serial="S1"),
            "n2",
            (
                f"UUID {UUID2} belongs to node n2"
                " (serial number S1 belongs to node n1, but counts for less)"
            ),
        ),
        (
            client(serial="S1", asset_tag="A2"),
            "n1",
            (
                "serial number S1 belongs to node n1 (asset tag A2 belongs to node n2, but counts"
                " for less)"
            ),
        ),
        (client(M1, uuid=UUID1, asset_tag="A2"), "n1", f"{M1} belongs to node n1 (asset tag A2"),
    ],
)
def test_the_first_key_that_belongs_to_a_node_counts(asks: Client, name: str, reason: str) -> None:
    found = INDEX.match(asks)
    assert found is not None
    assert found.node.name == name
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    "asks", [client(), client(uuid=UUID1[:-1] + "2", serial="S9", asset_tag="A9")]
)
def test_a_stranger_is_nobody(asks: Client) -> None:
    assert INDEX.match(asks) is None


def test_a_uuid_is_known_in_the_other_byte_order_too() -> None:
    assert swapped(UUID1) == "78563412-bc9a-ef4d-8123-525400000001"
    found = INDEX.match(client(uuid=swapped(UUID1)))
    assert found is not None
    assert found.node is N1
    assert found.reason == f"UUID {swapped(UUID1)} belongs to node n1"


def test_a_uuid_as_it_is_counts_before_its_other_byte_order() -> None:
    other = Node("n3", uuid=swapped(UUID1))
    found = Index([N1, other]).match(client(uuid=swapped(UUID1)))
    assert found is not None
    assert found.node is other


@given(st.uuids().map(str))
def test_swapping_twice_changes_nothing(uuid: str) -> None:
    assert swapped(swapped(uuid)) == uuid


class TestWhatIpxeSays:
    def test_it_is_written_the_one_way(self) -> None:
        query = {"uuid": UUID1.upper(), "serial": " cz-1 ", "asset": "row 7", "profile": "x"}
        assert described(client(), query) == client(uuid=UUID1, serial="CZ-1", asset_tag="ROW 7")

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"uuid": "", "serial": "", "asset": ""},
            {"uuid": "junk", "serial": "é", "asset": "x" * 65},
            {"uuid": next(iter(JUNK_UUIDS)), "serial": "default STRING", "asset": " 0 "},
        ],
    )
    def test_what_it_cannot_say_is_not_said(self, query: dict[str, str]) -> None:
        assert described(client(), query) == client()

    def test_what_is_known_already_stays_where_it_says_nothing(self) -> None:
        assert described(client(uuid=UUID1), {"uuid": ""}) == client(uuid=UUID1)

    @given(st.dictionaries(st.sampled_from(["uuid", "serial", "asset"]), st.text(max_size=70)))
    def test_nothing_it_says_does_harm(self, query: dict[str, str]) -> None:
        INDEX.match(described(client(), query))


@pytest.mark.parametrize("junk", sorted(JUNK_UUIDS))
def test_a_uuid_of_many_machines_is_nobodys(junk: str) -> None:
    with pytest.raises(ValueError, match="it is no machine's own"):
        parse_uuid(junk.upper())
    assert swapped(junk) in JUNK_UUIDS


@pytest.mark.parametrize(
    "junk",
    [
        *sorted(JUNK_TEXT),
        *("To Be Filled By O.E.M.", "Default string", " none ", "0", "00000000", "XXXX", "..", "-"),
    ],
)
def test_what_vendors_leave_is_nobodys(junk: str) -> None:
    with pytest.raises(ValueError, match="it is no machine's own"):
        parse_text(junk)


@pytest.mark.parametrize(
    "text",
    ["", "0", "{" + UUID1 + "}", UUID1.replace("-", ""), UUID1 + "0", "g" + UUID1[1:], "\n"],
)
def test_what_is_no_uuid(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a UUID such as"):
        parse_uuid(text)


@pytest.mark.parametrize("text", ["", "   ", "a" * 65, "a\nb", "é", "a\x1b"])
def test_what_is_no_serial_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be 1 to 64 printable ASCII characters$"):
        parse_text(text)
