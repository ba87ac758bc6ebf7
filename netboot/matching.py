"""Which node a client is: by any of a node's MACs, then UUID, then serial number, then asset tag.

Firmware says its MAC and mostly its UUID (option 97). Serial number and asset tag are in SMBIOS,
and only iPXE says them, in the query of the URL it asks for its script at: ``?uuid=…&serial=…&
asset=…``. Where two of them belong to different nodes the earlier key counts, and the reason says
so. Everything is compared in one written form, which is what a node is kept with.

What vendors leave in SMBIOS when nobody filled it in (``JUNK_TEXT``, ``JUNK_UUIDS``) is the same
on thousands of machines: no node may claim it and no client is known by it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from netboot.model import Client, Mac, Node

MAX_TEXT = 64
"""Characters of a serial number or an asset tag; SMBIOS before 3.0 allowed no more."""

JUNK_TEXT = frozenset(
    # in upper case; what is one character over and over ("0", "XXXX", "....") is junk as well
    {
        "0123456789",
        "123456789",
        "1234567890",
        "ASSET TAG",
        "ASSET-1234567890",
        "BASE BOARD SERIAL NUMBER",
        "CHASSIS ASSET TAG",
        "CHASSIS SERIAL NUMBER",
        "DEFAULT",
        "DEFAULT STRING",
        "EMPTY",
        "FILLED BY OEM",
        "INVALID",
        "N/A",
        "NA",
        "NIL",
        "NO ASSET INFORMATION",
        "NO ASSET TAG",
        "NO SERIAL NUMBER",
        "NONE",
        "NOT APPLICABLE",
        "NOT AVAILABLE",
        "NOT PRESENT",
        "NOT SETTABLE",
        "NOT SPECIFIED",
        "NULL",
        "O.E.M.",
        "OEM",
        "SERIAL NUMBER",
        "SERNUM0",
        "SYSTEM SERIAL NUMBER",
        "TBD",
        "TO BE FILLED BY O.E.M",
        "TO BE FILLED BY O.E.M.",
        "TO BE FILLED BY OEM",
        "UNDEFINED",
        "UNKNOWN",
        "UNSPECIFIED",
    }
)
JUNK_UUIDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",  # "not present", SMBIOS 7.2.1
        "ffffffff-ffff-ffff-ffff-ffffffffffff",  # "not present, but can be set", likewise
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "00020003-0004-0005-0006-000700080009",  # a board maker's counting bytes
        "03000200-0400-0500-0006-000700080009",  # the same, swapped
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "78563412-3412-7856-90ab-cddeefaabbcc",
        "4c4c4544-0000-2010-8020-80c04f202020",  # "DELL" and no service tag
        "44454c4c-0000-1020-8020-80c04f202020",
    }
)

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_TEXT = re.compile(rf"[ -~]{{1,{MAX_TEXT}}}")
_ONE_CHARACTER = re.compile(r"(.)\1*")


class Match(NamedTuple):
    """Which node a client is.

    Attributes:
        reason: a sentence for a person: by what it is known, and what speaks against it.
    """

    node: Node
    reason: str


class Index:
    """Nodes by every identity; a look-up is a few dictionary reads."""

    __slots__ = ("_by_asset_tag", "_by_mac", "_by_serial", "_by_uuid")

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._by_mac: dict[Mac, Node] = {}
        self._by_uuid: dict[str, Node] = {}
        self._by_serial: dict[str, Node] = {}
        self._by_asset_tag: dict[str, Node] = {}
        for node in nodes:
            self._by_mac.update(dict.fromkeys(node.macs, node))
            if node.uuid is not None:
                self._by_uuid[node.uuid] = node
            if node.serial is not None:
                self._by_serial[node.serial] = node
            if node.asset_tag is not None:
                self._by_asset_tag[node.asset_tag] = node

    def node_of(self, mac: Mac) -> Node | None:
        """The node one of whose addresses is ``mac``."""
        return self._by_mac.get(mac)

    def node(self, client: Client) -> Node | None:
        """The node that ``client`` is, None where it is nobody's; ``match`` says why as well."""
        _identity, node = next(self._found(client), (None, None))
        return node

    def match(self, client: Client) -> Match | None:
        """The node that ``client`` is, None where it is nobody's."""
        found = self._found(client)
        first = next(found, None)
        if first is None:
            return None
        identity, node = first
        reason = f"{identity} belongs to node {node.name}"
        for weaker, other in found:
            if other is not node:
                reason += f" ({weaker} belongs to node {other.name}, but counts for less)"
                break
        return Match(node, reason)

    def _found(self, client: Client) -> Iterator[tuple[str, Node]]:
        """What each identity of the client points to, what counts most first."""
        if node := self._by_mac.get(client.mac):
            yield client.mac, node
        if self._by_uuid and client.uuid and (node := self._of_uuid(client.uuid)):
            yield f"UUID {client.uuid}", node
        for name, table, text in (
            ("serial number", self._by_serial, client.serial),
            ("asset tag", self._by_asset_tag, client.asset_tag),
        ):
            if table and text and (node := table.get(text)):
                yield f"{name} {text}", node

    def _of_uuid(self, uuid: str) -> Node | None:
        """By the UUID as it is, else with the byte order its firmware may have meant."""
        return self._by_uuid.get(uuid) or self._by_uuid.get(swapped(uuid))


def described(client: Client, query: Mapping[str, str]) -> Client:
    """The client with what its iPXE says of it in the query of its script's URL.

    Args:
        client: as far as it is known otherwise.
        query: ``uuid``, ``serial`` and ``asset`` as iPXE's settings of these names expand; what
            is empty, junk or malformed is not said.
    """
    return replace(
        client,
        uuid=_or_none(parse_uuid, query.get("uuid", "")) or client.uuid,
        serial=_or_none(parse_text, query.get("serial", "")) or client.serial,
        asset_tag=_or_none(parse_text, query.get("asset", "")) or client.asset_tag,
    )


def parse_uuid(text: str) -> str:
    """Read a UUID in any case; the canonical form is in lower case.

    Raises:
        ValueError: it is none, or one that many machines share; the message is a sentence.
    """
    uuid = text.strip().lower()
    if not _UUID.fullmatch(uuid):
        raise ValueError("must be a UUID such as 4c4c4544-004d-3510-8052-b4c04f4a3132")
    if uuid in JUNK_UUIDS:
        raise ValueError("is what firmware says that has no UUID; it is no machine's own")
    return uuid


def parse_text(text: str) -> str:
    """Read a serial number or an asset tag; one form: upper case, no spaces around it.

    Raises:
        ValueError: it is none, or one that many machines share; the message is a sentence.
    """
    written = text.strip(" ").upper()
    if not _TEXT.fullmatch(written):
        raise ValueError(f"must be 1 to {MAX_TEXT} printable ASCII characters")
    if written in JUNK_TEXT or _ONE_CHARACTER.fullmatch(written):
        raise ValueError(
            "is what vendors leave where nothing was filled in; it is no machine's own"
        )
    return written


def swapped(uuid: str) -> str:
    """The UUID with its first three fields in the other byte order (SMBIOS 2.6 section 7.2.1).

    SMBIOS means them little-endian, older firmware wrote them big-endian, and option 97 is
    filled from either.
    """
    low, mid, high, rest = uuid.split("-", 3)
    return "-".join([*(bytes.fromhex(part)[::-1].hex() for part in (low, mid, high)), rest])


def _or_none(parse: Callable[[str], str], text: str) -> str | None:
    try:
        return parse(text)
    except ValueError:
        return None
