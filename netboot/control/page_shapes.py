"""One page of a long list, as it is answered; ``next`` is there where more follow."""

import msgspec

from netboot.model import Group, Node
from netboot.store.shapes import Record
from netboot.store.volume_shapes import VolumeShown

MOST = 10_000
"""Things on one page."""


class NodePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nodes by name."""

    nodes: tuple[Node, ...]
    next: str | None = None


class GroupPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Groups by name."""

    groups: tuple[Group, ...]
    next: str | None = None


class TimelinesPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Newest events by node, in the order they came; ``newest``: id of the newest of all events."""

    timelines: dict[str, tuple[Record, ...]]
    newest: int
    next: str | None = None


class VolumePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Volumes by name."""

    volumes: tuple[VolumeShown, ...]
    next: str | None = None


class EventPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events in the order they came."""

    events: tuple[Record, ...]
    next: int | None = None
