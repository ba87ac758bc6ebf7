"""Nodes as people write them, each with its BMC beside it, into the store: whole or not at all."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from netboot.answer import grub
from netboot.answer.tokens import load_key
from netboot.bmc.credentials import KEY_FILE, Safe
from netboot.errors import ConfigError
from netboot.groups import Groups, in_effect
from netboot.model import Group, Node, Profile
from netboot.store.bmc_shapes import Sealing, bmc_change_of, bmc_entry_of, take, take_all
from netboot.store.group_shapes import changed_group, group_change_of, new_group
from netboot.store.guard import Guard, unguarded
from netboot.store.shapes import Imported, change_of, changed, node_of, nodes_of

if TYPE_CHECKING:
    from netboot.store.store import Store

Profiles = Mapping[str, Profile]


def safe_in(data_dir: Path) -> Sealing:
    """What seals and opens BMC passwords; its key is made when it is needed first.

    Raises, when it is called:
        ConfigError: the key file is not usable.
    """
    return lambda: Safe(load_key(data_dir / KEY_FILE))


def add(store: "Store", raw: object, source: str, profiles: Profiles, safe: Sealing) -> Node:
    """Keep a new node in the shape of ``NodeEntry``, with its BMC under ``bmc``.

    Raises:
        ConfigError: it is not right, or its name or an identity is taken.
    """
    plain, bmc = take(raw)
    node = node_of(plain, source, profiles)
    refuse_unstartable(store, [node], profiles, source)
    hands = None if bmc is None else bmc_entry_of(bmc, node.name, safe, source, "bmc")
    store.add(node, source, hands)
    return node


def update(
    store: "Store",
    name: str,
    raw: object,
    source: str,
    profiles: Profiles,
    safe: Sealing,
    guard: Guard[Node] = unguarded,
) -> Node:
    """Change a node by a ``NodeChange``, and its BMC by what is under ``bmc``.

    ``guard`` looks at the node as it is just before, and raises to keep it so.

    Raises:
        ConfigError: it may not become that.
    """
    plain, bmc = take(raw)
    change = change_of(plain, source, profiles)
    hands = None if bmc is None else bmc_change_of(bmc, name, safe, source)
    groups = Groups(store.groups())

    def startable(before: Node) -> None:
        guard(before)
        if not _unstartable(before, groups, profiles):  # else it is the way out of that
            _refuse(changed(before, change, source), groups, profiles, source)

    return store.update(name, change, source, hands, startable)


def import_all(
    store: "Store", raw: object, source: str, profiles: Profiles, safe: Sealing
) -> Imported:
    """Add or replace a list of nodes; a node without ``bmc`` keeps the BMC it has.

    Raises:
        ConfigError: one of them is not right.
    """
    plain, bmcs = take_all(raw)
    nodes = nodes_of(plain, source, profiles)
    refuse_unstartable(store, nodes, profiles, source)
    hands = {
        place: bmc_entry_of(bmc, nodes[place].name, safe, source, f"[{place}].bmc")
        for place, bmc in bmcs.items()
    }
    return store.import_nodes(nodes, source, hands)


def set_group(
    store: "Store",
    name: str,
    raw: object,
    source: str,
    profiles: Profiles,
    guard: Guard[Group | None] = unguarded,
) -> Group:
    """Make or change a group by a ``GroupChange``; ``guard`` as in ``update``.

    Raises:
        ConfigError: it may not become that, or a node's firmware would not start what it gives.
    """
    change = group_change_of(raw, source, profiles)
    startable_now = _startable(store, profiles)

    def startable(before: Group | None) -> None:
        guard(before)
        after = changed_group(before or new_group(name, source), change, source)
        others = [group for group in store.groups() if group.name != name]
        _refuse_any(startable_now, [*others, after], profiles, source)

    return store.set_group(name, change, source, startable)


def remove_group(
    store: "Store",
    name: str,
    source: str,
    profiles: Profiles,
    guard: Guard[Group] = unguarded,
) -> None:
    """Forget a group; ``guard`` as in ``update``.

    Raises:
        ConfigError: there is none, or a node's firmware would not start what others then give.
    """
    startable_now = _startable(store, profiles)

    def startable(before: Group) -> None:
        guard(before)
        others = [group for group in store.groups() if group.name != name]
        _refuse_any(startable_now, others, profiles, source)

    store.remove_group(name, source, startable)


def _startable(store: "Store", profiles: Profiles) -> list[Node]:
    """The nodes with Secure Boot that start what they are given, as far as that is known."""
    groups = Groups(store.groups())
    return [
        node
        for node in store.list()
        if node.secure_boot and not _unstartable(node, groups, profiles)
    ]


def refuse_unstartable(
    store: "Store", nodes: Iterable[Node], profiles: Profiles, source: str
) -> None:
    """See that each node's firmware would start what its profile is, as far as that is known.

    Raises:
        ConfigError: names the first that would not, and why.
    """
    marked = [node for node in nodes if node.secure_boot]
    _refuse_any(marked, store.groups() if marked else (), profiles, source)


def _refuse_any(
    nodes: Iterable[Node], groups: Iterable[Group], profiles: Profiles, source: str
) -> None:
    found = Groups(groups)
    for node in nodes:
        _refuse(node, found, profiles, source)


def _refuse(node: Node, groups: Groups, profiles: Profiles, source: str) -> None:
    if problem := _unstartable(node, groups, profiles):
        raise ConfigError(source, "", problem)


def _unstartable(node: Node, groups: Groups, profiles: Profiles) -> str:
    node = in_effect(node, groups.of(node))
    return grub.unstartable(node, profiles.get(node.profile or ""))
