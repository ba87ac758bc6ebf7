"""Nodes as people write them, checked into ``Node``; and what the store hands out beside nodes.

One road leads in, whether a node comes from a YAML file, the command line or the API: parsed data
→ ``node_of``/``nodes_of``/``change_of`` → ``Node``. No database is imported here.

- A name is one RFC 1123 host label in lower case, since it becomes the machine's host name. What
  reads as a MAC is refused: commands take a name or a MAC in the same place.
- A node has at least one identity (``netboot.matching``), and none that another node has.
- A profile of its own is not asked for here: the store knows which groups could give one.
- Values of variables are one line each: they end up in iPXE scripts and on kernel lines.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msgspec import field

from netboot.checked import Checked, convert, shown
from netboot.errors import ConfigError
from netboot.events import Event
from netboot.model import Mac, Node, State, parse_mac
from netboot.store.identities import (
    KINDS,
    Identity,
    checked_identity,
    checked_macs,
    identities,
    refuse_unknowable,
)
from netboot.store.words import (
    HOST_LABEL,
    MAX_LABELS,
    MAX_MACS,
    MAX_VARS,
    HostLabel,
    LabelKey,
    Labels,
    LabelValue,
    LoaderName,
    Macs,
    NewLoader,
    NewProfile,
    ProfileName,
    VarName,
    Vars,
    VarValue,
    YesOrNo,
)


class NodeEntry(Checked, frozen=True):
    """A whole node as it stands in a nodes file."""

    name: HostLabel
    macs: Macs = ()
    profile: ProfileName | None = None
    labels: Labels = field(default_factory=dict)
    vars: Vars = field(default_factory=dict)
    uuid: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    loader: LoaderName | None = None
    secure_boot: YesOrNo = False
    state: State = State.ENROLLED


class NodeChange(Checked, frozen=True):
    """What to change of a node.

    None leaves a thing alone and "" takes it out; in a table a value of None takes a key out.
    """

    macs: Macs | None = None
    add_macs: Macs = ()
    remove_macs: Macs = ()
    profile: NewProfile | None = None
    labels: dict[LabelKey, LabelValue | None] = field(default_factory=dict)
    vars: dict[VarName, VarValue | None] = field(default_factory=dict)
    uuid: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    loader: NewLoader | None = None
    secure_boot: YesOrNo | None = None
    state: Literal["installed"] | None = None


class Install(Checked, frozen=True):
    """Which nodes are to be installed; ``reinstall``: also those that are installed."""

    names: tuple[str, ...]
    reinstall: bool = False


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


class Unknown(ConfigError):  # noqa: N818 -- its name says what is wrong
    """Somebody named a node or a group that is not there."""


class Conflict(ConfigError):  # noqa: N818 -- likewise
    """A name or an identity that another node has already."""


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
    if entry.profile is not None:
        check_profile(entry.profile, profiles, source, _below(key, "profile"))
    node = Node(
        name=entry.name,
        macs=checked_macs(entry.macs, source, _below(key, "macs")),
        profile=entry.profile,
        labels=dict(entry.labels),
        vars=dict(entry.vars),
        uuid=_identity(entry, "uuid", source, key),
        serial=_identity(entry, "serial", source, key),
        asset_tag=_identity(entry, "asset_tag", source, key),
        loader=entry.loader,
        secure_boot=_is_yes(entry.secure_boot),
        state=entry.state,
    )
    refuse_unknowable(node, source, _below(key, "macs"))
    return node


def nodes_of(raw: object, source: str, profiles: Collection[str]) -> list[Node]:
    """Check a whole file of nodes: a list, in which every name and every identity stands once.

    Raises:
        ConfigError: as ``node_of``, or two nodes claim one name or identity.
    """
    entries = convert(raw, list[object], source)
    nodes: list[Node] = []
    names: dict[str, int] = {}
    owners: dict[tuple[str, str], str] = {}
    for index, entry in enumerate(entries):
        node = node_of(entry, source, profiles, f"[{index}]")
        if (first := names.setdefault(node.name, index)) != index:
            problem = f'= "{node.name}": is there already, as [{first}]'
            raise ConfigError(source, f"[{index}].name", problem)
        for one in identities(node):
            if (owner := owners.setdefault((one.kind, one.value), node.name)) != node.name:
                raise claimed(one, owner, node.name, source, f"[{index}].{one.key}")
        nodes.append(node)
    return nodes


def change_of(raw: object, source: str, profiles: Collection[str]) -> NodeChange:
    """Check what somebody wants to change of a node.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    change = convert(raw, NodeChange, source)
    if change.profile:
        check_profile(change.profile, profiles, source, "profile")
    for kind in KINDS:
        _identity(change, kind, source)
    for key in ("macs", "add_macs", "remove_macs"):
        checked_macs(getattr(change, key) or (), source, key)
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
    if len(macs) > MAX_MACS:
        problem = f"node {node.name} would have {len(macs)} MACs; at most {MAX_MACS} are allowed"
        raise ConfigError(source, "macs", problem)
    after = replace(
        node,
        macs=macs,
        profile=kept(node.profile, change.profile),
        labels=merged(node.labels, change.labels, MAX_LABELS, source, "labels"),
        vars=merged(node.vars, change.vars, MAX_VARS, source, "vars"),
        loader=kept(node.loader, change.loader),
        secure_boot=_is_yes(change.secure_boot, node.secure_boot),
        uuid=kept(node.uuid, _identity(change, "uuid", source)),
        serial=kept(node.serial, _identity(change, "serial", source)),
        asset_tag=kept(node.asset_tag, _identity(change, "asset_tag", source)),
    )
    refuse_unknowable(after, source, "macs")
    return after


def mac_of(text: str) -> Mac | None:
    """The MAC a person typed, None where it is something else: a name."""
    try:
        return parse_mac(text)
    except ValueError:
        return None


def claimed(one: Identity, owner: str, claimant: str, source: str, key: str) -> Conflict:
    """The error for an identity claimed twice."""
    problem = f"{one.said} belongs to node {owner}; node {claimant} cannot claim it too"
    return Conflict(source, key, problem)


def refuse_strange_name(name: str, source: str) -> None:
    """A name no node can have is not looked for: it may be any text at all.

    Raises:
        Unknown: it is one.
    """
    if not re.match(HOST_LABEL, name):
        raise unknown_node(name, source)


def unknown_node(name: str, source: str) -> Unknown:
    """The error for a name nobody has."""
    return Unknown(source, "", f"no node is called {shown(name)}")


def _check_name(name: str, source: str, key: str) -> None:
    if mac_of(name) is not None:
        raise ConfigError(source, key, f'= "{name}": must not be a MAC address')


def check_profile(name: str, profiles: Collection[str], source: str, key: str) -> None:
    """Refuse a profile nobody knows.

    Raises:
        ConfigError: it is one; the text says which there are.
    """
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none is there"
        raise ConfigError(source, key, f"= {shown(name)}: must be a known profile: {known}")


def kept(old: str | None, new: str | None) -> str | None:
    """A value after a change: None leaves it alone, "" takes it out."""
    return old if new is None else new or None


def _is_yes(given: YesOrNo | None, otherwise: bool = False) -> bool:  # noqa: FBT001, FBT002 -- the answer before
    return otherwise if given is None else given in (True, "true")


def merged(
    old: Mapping[str, str], new: Mapping[str, str | None], limit: int, source: str, key: str
) -> dict[str, str]:
    """A table after a change.

    Raises:
        ConfigError: it would have more than ``limit`` entries.
    """
    both = {**old, **new}
    left = {name: value for name, value in both.items() if value is not None}
    if len(left) > limit:
        raise ConfigError(source, key, f"would be {len(left)}; at most {limit} are allowed")
    return left


def _identity(given: NodeEntry | NodeChange, kind: str, source: str, below: str = "") -> str | None:
    """The checked UUID, serial number or asset tag; None and, in a change, "" as they are."""
    text: str | None = getattr(given, kind)
    if text is None or (text == "" and isinstance(given, NodeChange)):
        return text
    return checked_identity(kind, text, source, _below(below, kind))


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
