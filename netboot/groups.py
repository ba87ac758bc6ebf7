"""Groups: what nodes are given by their labels, where they do not say it themselves.

A group has every node that bears all of its labels. A value comes from the first that has it:
the node, its groups (more labels before fewer, then the higher priority, then the name), its
profile. A node registered without a profile has that of its first group which gives one.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from netboot.model import Group, Node, Profile


class Groups:
    """Every group, ready to be asked which of them a node is in."""

    __slots__ = ("_by_label",)

    def __init__(self, groups: Iterable[Group]) -> None:
        self._by_label: dict[tuple[str, str], list[Group]] = {}
        for group in groups:
            one_of_them = min(group.labels.items())
            self._by_label.setdefault(one_of_them, []).append(group)

    def of(self, node: Node) -> tuple[Group, ...]:
        """The groups ``node`` is in, the one that counts most first."""
        labels = node.labels.items()
        near = (group for label in labels for group in self._by_label.get(label, ()))
        return tuple(sorted((group for group in near if group.labels.items() <= labels), key=_rank))


def in_effect(node: Node, groups: Sequence[Group]) -> Node:
    """The node with everything its groups give; itself where they give nothing.

    Args:
        node: as it was registered.
        groups: those it is in, the one that counts most first.
    """
    if not groups:
        return node
    layers = (node.vars, *(group.vars for group in groups))
    return replace(node, profile=profile_of(node, groups)[0], vars=_layered(layers))


def profile_of(node: Node, groups: Sequence[Group]) -> tuple[str | None, str]:
    """The name of the profile the node has, and who gives it: ``node``, ``group web``."""
    if node.profile is not None:
        return node.profile, "node"
    for group in groups:
        if group.profile is not None:
            return group.profile, f"group {group.name}"
    return None, ""


def origins(
    node: Node, groups: Sequence[Group], profile: Profile | None
) -> dict[str, tuple[str, str]]:
    """Every variable the node has: its value and who gives it (``profile debian-12``), by name."""
    found: dict[str, tuple[str, str]] = {}
    for giver, values in _givers(node, groups, profile):
        for name, value in values.items():
            found.setdefault(name, (value, giver))
    return dict(sorted(found.items()))


def _givers(
    node: Node, groups: Sequence[Group], profile: Profile | None
) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "node", node.vars
    for group in groups:
        yield f"group {group.name}", group.vars
    if profile is not None:
        yield f"profile {profile.name}", profile.vars


def _rank(group: Group) -> tuple[int, int, str]:
    return -len(group.labels), -group.priority, group.name


def _layered(layers: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    """One view of all; they are shared, so that a node in a group of many variables stays small."""
    return ChainMap(*layers)  # type: ignore[arg-type] # it is only read
