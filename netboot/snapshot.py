"""What the boot program knows of the world: every registered node, at one version.

The control program builds a snapshot from the store and sends it whole; the boot program keeps
the last one in memory and on disk. It is immutable: a change is a new snapshot, put in place by
one assignment, so a reader never sees half of one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from netboot.model import Mac, Node


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes as the store had them at ``version``.

    Attributes:
        version: counts the store's changes; it starts anew with a new database, so it orders
            snapshots of one store only.
        nodes: every registered machine, by name.
    """

    version: int
    nodes: tuple[Node, ...]
    _by_mac: Mapping[Mac, Node] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_mac", _index(self.nodes))

    def node_of(self, mac: Mac) -> Node | None:
        """The node one of whose addresses is ``mac``; one dictionary look-up."""
        return self._by_mac.get(mac)


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON: for the link, and for the file that outlives a restart."""
    return msgspec.json.encode(_Written(snapshot.version, snapshot.nodes))


def decode(raw: bytes) -> Snapshot:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is something else, or was cut off.
    """
    written = _DECODER.decode(raw)
    return Snapshot(written.version, written.nodes)


class _Written(msgspec.Struct, frozen=True):
    version: int
    nodes: tuple[Node, ...]


def _index(nodes: Iterable[Node]) -> dict[Mac, Node]:
    return {mac: node for node in nodes for mac in node.macs}


_DECODER = msgspec.json.Decoder(_Written)

EMPTY = Snapshot(0, ())
"""No node is known: what a boot program has before control ever spoke to it."""
