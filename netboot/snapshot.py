"""What the boot program knows of the world: every registered node and group, at one version.

The control program builds a snapshot from the store and sends it whole; the boot program keeps
the last one in memory and on disk. It is immutable: a change is a new snapshot, put in place by
one assignment, so a reader never sees half of one.

Nodes travel as they were registered. Who asks for one gets it *in effect*: with the profile and
the variables its groups give. That is worked out when a node is asked for first, so that a new
snapshot of many nodes does not make every machine wait.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from netboot.groups import Groups, in_effect, profile_of
from netboot.matching import Index, Match
from netboot.model import Client, Group, Mac, Node
from netboot.volume import Volume


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes and groups as the store had them at ``version``.

    Attributes:
        version: counts the store's changes; it starts anew with a new database, so it orders
            snapshots of one store only.
        nodes: every registered machine, by name.
        groups: every group, by name.
        volumes: what is attached, by its node's name. On its way to a boot program each has its
            CHAP secret.
    """

    version: int
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...] = ()
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    _index: Index = field(init=False, repr=False, compare=False)
    _groups: Groups = field(init=False, repr=False, compare=False)
    _in_effect: dict[str, tuple[Node, str]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", Index(self.nodes))
        object.__setattr__(self, "_groups", Groups(self.groups))

    def node_of(self, mac: Mac) -> Node | None:
        """The node in effect one of whose addresses is ``mac``."""
        node = self._index.node_of(mac)
        return None if node is None else self._resolved(node)[0]

    def node(self, client: Client) -> Node | None:
        """The node in effect that ``client`` is, None where it is nobody's."""
        node = self._index.node(client)
        return None if node is None else self._resolved(node)[0]

    def match(self, client: Client) -> Match | None:
        """The node in effect that ``client`` is, None where it is nobody's.

        The reason is one sentence: ``… belongs to node n1, whose profile is debian-12``.
        """
        found = self._index.match(client)
        if found is None:
            return None
        node, profile = self._resolved(found.node)
        return Match(node, f"{found.reason}, {profile}")

    def nodes_in_effect(self) -> Iterator[Node]:
        """Every node as its groups complete it, by name."""
        return (self._resolved(node)[0] for node in self.nodes)

    def _resolved(self, node: Node) -> tuple[Node, str]:
        """The node in effect, and half a sentence about its profile."""
        if not self.groups and node.profile is not None:
            return node, f"whose profile is {node.profile}"
        known = self._in_effect.get(node.name)
        if known is None:
            groups = self._groups.of(node)
            known = in_effect(node, groups), _about_profile(*profile_of(node, groups))
            self._in_effect[node.name] = known
        return known


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON: for the link, and for the file that outlives a restart."""
    return msgspec.json.encode(
        _Written(snapshot.version, snapshot.nodes, snapshot.groups, dict(snapshot.volumes))
    )


def decode(raw: bytes) -> Snapshot:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is something else, or was cut off.
    """
    written = _DECODER.decode(raw)
    return Snapshot(written.version, written.nodes, written.groups, written.volumes)


class _Written(msgspec.Struct, frozen=True):
    version: int
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...] = ()
    volumes: dict[str, Volume] = msgspec.field(default_factory=dict)


def _about_profile(profile: str | None, giver: str) -> str:
    if profile is None:
        return "which has no profile, and none of its groups gives one"
    if giver == "node":
        return f"whose profile is {profile}"
    return f"to which {giver} gives profile {profile}"


_DECODER = msgspec.json.Decoder(_Written)

EMPTY = Snapshot(0, ())
"""No node is known: what a boot program has before control ever spoke to it."""
