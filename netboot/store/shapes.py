"""Nodes as people write them, checked into ``Node``; and what the store hands out beside nodes.

One road leads in, whether a node comes from a YAML file, the command line or the API: parsed data
→ ``node_of``/``nodes_of``/``change_of`` → ``Node``. No database is imported here.

- A name is one RFC 1123 host label in lower case, since it becomes the machine's host name. What
  reads as a MAC is refused: commands take a name or a MAC in the same place.
- Values of variables are one line each: they end up in iPXE scripts and on kernel lines.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from msgspec import Meta, field

from netboot.checked import Checked, convert, shown
from netboot.errors import ConfigError
from netboot.events import Event
from netboot.model import Mac, Node, parse_mac
from netboot.resources import TEMPLATES

MAX_MACS = 64
MAX_LABELS = 64
MAX_VARS = 256
"""Each per node."""
MAX_NODES = 100_000
"""In one store: a snapshot is sent whole."""

_HOST_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"

HostLabel = Annotated[
    str,
    Meta(
        pattern=_HOST_LABEL,
        description="a host name without dots: 1 to 63 lower-case letters, digits and inner -",
    ),
]
MacText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f]{2}([:-]?)([0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}\Z",
        description="a MAC address such as 52:54:00:12:34:56",
    ),
]
Macs = Annotated[
    tuple[MacText, ...],
    Meta(
        min_length=1,
        max_length=MAX_MACS,
        description=f"a list of 1 to {MAX_MACS} MAC addresses such as 52:54:00:12:34:56",
    ),
]
SomeMacs = Annotated[
    tuple[MacText, ...],
    Meta(max_length=MAX_MACS, description=f"a list of at most {MAX_MACS} MAC addresses"),
]
ProfileName = Annotated[str, Meta(min_length=1, max_length=63, description="a profile's name")]
LabelKey = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?\Z",
        description="a label: 1 to 63 letters, digits and inner . _ / -",
    ),
]
LabelValue = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9._-]{0,63})\Z",
        description="a label's value: at most 63 letters, digits and . _ -",
    ),
]
VarName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}\Z",
        description="a variable's name: a letter or _, then letters, digits and _, at most 63",
    ),
]
VarValue = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,4096}\Z",
        description="one line of at most 4096 printable characters",
    ),
]


class NodeEntry(Checked, frozen=True):
    """A whole node as it stands in a nodes file."""

    name: HostLabel
    macs: Macs
    profile: ProfileName
    labels: Annotated[
        dict[LabelKey, LabelValue],
        Meta(max_length=MAX_LABELS, description=f"a table of at most {MAX_LABELS} labels"),
    ] = field(default_factory=dict)
    vars: Annotated[
        dict[VarName, VarValue],
        Meta(max_length=MAX_VARS, description=f"a table of at most {MAX_VARS} variables"),
    ] = field(default_factory=dict)


class NodeChange(Checked, frozen=True):
    """What to change of a node; None leaves a thing alone, a value of None takes a key out."""

    macs: Macs | None = None
    add_macs: SomeMacs = ()
    remove_macs: SomeMacs = ()
    profile: ProfileName | None = None
    labels: dict[LabelKey, LabelValue | None] = field(default_factory=dict)
    vars: dict[VarName, VarValue | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, by node name, in the order of the file."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A kept event; ids grow with the order of arrival and are never used twice."""

    id: int
    event: Event


class UnknownNode(ConfigError):  # noqa: N818 -- its name says what is wrong
    """Somebody named a node that is not there."""


class Conflict(ConfigError):  # noqa: N818 -- likewise
    """A name or a MAC that another node has already."""


def known_profiles() -> frozenset[str]:
    """Names of the profiles that ship with netboot."""
    return frozenset(path.stem for path in (TEMPLATES / "profiles").glob("*.toml"))


def node_of(raw: object, source: str, profiles: Collection[str], key: str = "") -> Node:
    """Check one node.

    Args:
        raw: parsed data in the shape of ``NodeEntry``.
        source: the file it stands in, or "command line".
        profiles: the names a profile may have.
        key: where in the file it stands.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    entry = convert(raw, NodeEntry, source, key)
    _check_name(entry.name, source, _below(key, "name"))
    _check_profile(entry.profile, profiles, source, _below(key, "profile"))
    macs = _macs(entry.macs, source, _below(key, "macs"))
    return Node(entry.name, macs, entry.profile, dict(entry.labels), dict(entry.vars))


def nodes_of(raw: object, source: str, profiles: Collection[str]) -> list[Node]:
    """Check a whole file of nodes: a list, in which every name and every MAC stands once.

    Raises:
        ConfigError: as ``node_of``, or two nodes claim one name or MAC.
    """
    entries = convert(raw, list[object], source)
    nodes: list[Node] = []
    names: dict[str, int] = {}
    owners: dict[Mac, str] = {}
    for index, entry in enumerate(entries):
        node = node_of(entry, source, profiles, f"[{index}]")
        if (first := names.setdefault(node.name, index)) != index:
            problem = f'= "{node.name}": is there already, as [{first}]'
            raise ConfigError(source, f"[{index}].name", problem)
        for place, mac in enumerate(node.macs):
            if (owner := owners.setdefault(mac, node.name)) != node.name:
                raise Conflict(source, f"[{index}].macs[{place}]", claimed(mac, owner, node.name))
        nodes.append(node)
    return nodes


def change_of(raw: object, source: str, profiles: Collection[str]) -> NodeChange:
    """Check what somebody wants to change of a node.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    change = convert(raw, NodeChange, source)
    if change.profile is not None:
        _check_profile(change.profile, profiles, source, "profile")
    for key in ("macs", "add_macs", "remove_macs"):
        _macs(getattr(change, key) or (), source, key)
    return change


def changed(node: Node, change: NodeChange, source: str) -> Node:
    """The node after a change.

    Raises:
        ConfigError: nothing, or too much, would be left of it.
    """
    macs = node.macs if change.macs is None else tuple(parse_mac(mac) for mac in change.macs)
    removed = {parse_mac(mac) for mac in change.remove_macs}
    if strange := removed - set(macs):
        raise ConfigError(source, "remove_macs", f"{min(strange)} is not one of {node.name}'s MACs")
    added = (parse_mac(mac) for mac in change.add_macs)
    macs = tuple(dict.fromkeys(mac for mac in (*macs, *added) if mac not in removed))
    if not 1 <= len(macs) <= MAX_MACS:
        problem = f"node {node.name} would have {len(macs)} MACs; 1 to {MAX_MACS} are allowed"
        raise ConfigError(source, "macs", problem)
    return replace(
        node,
        macs=macs,
        profile=node.profile if change.profile is None else change.profile,
        labels=_merged(node.labels, change.labels, MAX_LABELS, source, "labels"),
        vars=_merged(node.vars, change.vars, MAX_VARS, source, "vars"),
    )


def mac_of(text: str) -> Mac | None:
    """The MAC a person typed, None where it is something else: a name."""
    try:
        return parse_mac(text)
    except ValueError:
        return None


def claimed(mac: Mac, owner: str, claimant: str) -> str:
    """The sentence for one MAC claimed twice."""
    return f"{mac} belongs to node {owner}; node {claimant} cannot claim it too"


def refuse_strange_name(name: str, source: str) -> None:
    """A name no node can have is not looked for: it may be any text at all.

    Raises:
        UnknownNode: it is one.
    """
    if not re.match(_HOST_LABEL, name):
        raise unknown_node(name, source)


def unknown_node(name: str, source: str) -> UnknownNode:
    """The error for a name nobody has."""
    return UnknownNode(source, "", f"no node is called {shown(name)}")


def _check_name(name: str, source: str, key: str) -> None:
    if mac_of(name) is not None:
        raise ConfigError(source, key, f'= "{name}": must not be a MAC address')


def _check_profile(name: str, profiles: Collection[str], source: str, key: str) -> None:
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none is there"
        raise ConfigError(source, key, f"= {shown(name)}: must be a known profile: {known}")


def _macs(texts: Collection[str], source: str, key: str) -> tuple[Mac, ...]:
    found: dict[Mac, None] = {}
    for place, text in enumerate(texts):
        try:
            mac = parse_mac(text)
        except ValueError as error:
            raise ConfigError(source, f"{key}[{place}]", str(error)) from None
        if mac in found:
            raise ConfigError(source, f"{key}[{place}]", f'= "{text}": is there twice')
        found[mac] = None
    return tuple(found)


def _merged(
    old: Mapping[str, str], new: Mapping[str, str | None], limit: int, source: str, key: str
) -> dict[str, str]:
    both = {**old, **new}
    merged = {name: value for name, value in both.items() if value is not None}
    if len(merged) > limit:
        raise ConfigError(source, key, f"would be {len(merged)}; at most {limit} are allowed")
    return merged


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
