"""The store: nodes, groups and timelines, each method one transaction; safe from many threads.

Every change of a node or group counts ``version`` up in the same transaction, so whoever reads the
version (``version``, ``snapshot``) learns of changes other processes made too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from netboot.errors import ConfigError
from netboot.model import Group, Node, State
from netboot.snapshot import Snapshot
from netboot.store import bmcs, groups, installations, nodes
from netboot.store.always import (
    refuse_claimed,
    refuse_stranded,
    refuse_without_profile,
)
from netboot.store.bmc_shapes import BmcChange
from netboot.store.database import transaction
from netboot.store.group_shapes import (
    MAX_GROUPS,
    GroupChange,
    changed_group,
    new_group,
    unknown_group,
)
from netboot.store.hands import Hands
from netboot.store.opened import COMMAND_LINE, bump, version
from netboot.store.overrides import Overrides
from netboot.store.shapes import (
    Conflict,
    Imported,
    NodeChange,
    changed,
    refuse_strange_name,
    unknown_node,
)
from netboot.store.timelines import Timelines
from netboot.store.words import MAX_NODES


class Store(Timelines, Hands, Overrides):
    """One database: nodes and groups, and the families of methods kept in modules of their own."""

    # Nodes.

    def add(self, node: Node, source: str = COMMAND_LINE, bmc: BmcChange | None = None) -> None:
        """Keep a new node, with its BMC where it has one.

        Raises:
            ConfigError: its name or an identity is taken (``Conflict``), it has no profile, or the
                store is full.
            OperationError: the database could not do it; nothing changed.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            if nodes.read(connection, node.name) is not None:
                raise Conflict(source, "", f"node {node.name} is there already")
            refuse_claimed(connection, [node], source)
            refuse_without_profile(connection, [node], source)
            _refuse_too_many(nodes.count(connection) + 1, source)
            nodes.insert(connection, [node])
            if bmc is not None:
                bmcs.change(connection, node.name, bmc, source)
            bump(connection)

    def get(self, name: str, source: str = COMMAND_LINE) -> Node:
        """One node.

        Raises:
            Unknown: there is none of that name.
        """
        with transaction(self._sure) as connection:
            return nodes.known(connection, name, source)

    def list(self) -> list[Node]:
        """Every node, by name."""
        with transaction(self._sure) as connection:
            return nodes.read_all(connection)

    def update(
        self,
        name: str,
        change: NodeChange,
        source: str = COMMAND_LINE,
        bmc: BmcChange | None = None,
    ) -> Node:
        """Change one node and its BMC; what others change meanwhile is kept too.

        Returns:
            the node as it is now.

        Raises:
            ConfigError: there is no such node, or it may not become that.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            before = nodes.known(connection, name, source)
            after = changed(before, change, source)
            if after != before:
                refuse_claimed(connection, [after], source)
                refuse_without_profile(connection, [after], source)
                nodes.replace(connection, [after])
                bump(connection)
            if bmc is not None:
                bmcs.change(connection, name, bmc, source)
            return after

    def remove(self, name: str, source: str = COMMAND_LINE) -> None:
        """Forget a node; its timeline stays.

        Raises:
            Unknown: there is none of that name.
        """
        refuse_strange_name(name, source)
        with self._writing, transaction(self._sure, writes=True) as connection:
            if not nodes.delete(connection, name):
                raise unknown_node(name, source)
            bump(connection)

    def import_nodes(
        self,
        given: Sequence[Node],
        source: str = COMMAND_LINE,
        hands: Mapping[int, BmcChange] | None = None,
    ) -> Imported:
        """Add new nodes and replace those there already: all of them or none.

        Args:
            given: names and identities each stand once (``nodes_of`` sees to it).
            source: the file they stand in.
            hands: BMCs by their node's place in ``given``; a node without one keeps its own.

        Raises:
            ConfigError: an identity belongs to a node outside the file, a node has no profile, or
                the store would be too full.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            before = {node.name: node for node in nodes.read_all(connection)}
            given = [installations.over(before.get(node.name), node) for node in given]
            added = [node for node in given if node.name not in before]
            other = [node for node in given if before.get(node.name, node) != node]
            refuse_claimed(connection, given, source, place="[{}].")
            refuse_without_profile(connection, given, source, place="[{}].")
            _refuse_too_many(len(before) + len(added), source)
            nodes.replace(connection, other)
            nodes.insert(connection, added)
            if added or other:
                bump(connection)
            touched = {node.name for node in (*added, *other)}
            for place, bmc in (hands or {}).items():
                name = given[place].name
                if bmcs.change(connection, name, bmc, source, f"[{place}].bmc"):
                    touched.add(name)
        new = set(_names(added))
        return Imported(
            _names(added),
            tuple(node.name for node in given if node.name in touched - new),
            tuple(node.name for node in given if node.name not in touched),
        )

    def install(
        self,
        names: Sequence[str],
        installing: Collection[str],
        source: str = COMMAND_LINE,
        *,
        reinstall: bool = False,
    ) -> Sequence[Node]:
        """Have nodes installed when they boot from the network next: all of them or none.

        Args:
            names: whose.
            installing: the profiles that install something.
            source: where that was asked, for errors.
            reinstall: also those that are installed.

        Returns:
            the nodes in effect as they are now.

        Raises:
            ConfigError: one is unknown (``Unknown``), installed already (``Conflict``), or has a
                profile that installs nothing.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            known = {name: nodes.known(connection, name, source) for name in dict.fromkeys(names)}
            snapshot = Snapshot(0, tuple(known.values()), tuple(groups.read_all(connection)))
            asked = [
                installations.asked_for(node, installing, source, reinstall=reinstall)
                for node in snapshot.nodes_in_effect()
            ]
            new = [
                replace(known[node.name], state=node.state, installation=node.installation)
                for node in asked
            ]
            if changed_nodes := [node for node in new if node != known[node.name]]:
                nodes.replace(connection, changed_nodes)
                bump(connection)
            return asked

    def states(self) -> Mapping[State, int]:
        """How many nodes are in each state."""
        with transaction(self._quick) as connection:
            return nodes.states(connection)

    def version(self) -> int:
        """Counts the changes of nodes and groups, whoever made them."""
        with transaction(self._sure) as connection:
            return version(connection)

    def snapshot(self) -> Snapshot:
        """All nodes and groups, of one moment."""
        with transaction(self._sure) as connection:
            return Snapshot(
                version(connection),
                tuple(nodes.read_all(connection)),
                tuple(groups.read_all(connection)),
            )

    # Groups.

    def groups(self) -> Sequence[Group]:
        """Every group, by name."""
        with transaction(self._sure) as connection:
            return groups.read_all(connection)

    def set_group(self, name: str, change: GroupChange, source: str = COMMAND_LINE) -> Group:
        """Change a group; one that is not there begins with nothing.

        Returns:
            the group as it is now.

        Raises:
            ConfigError: it may not become that, there are too many, or a node would be left
                without a profile.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            there = {group.name: group for group in groups.read_all(connection)}
            before = there.get(name) or new_group(name, source)
            after = changed_group(before, change, source)
            if name not in there and len(there) >= MAX_GROUPS:
                raise ConfigError(source, "", f"there are {MAX_GROUPS} groups; no more fit")
            if after != before:
                groups.write(connection, after)
                refuse_stranded(connection, source)
                bump(connection)
            return after

    def remove_group(self, name: str, source: str = COMMAND_LINE) -> None:
        """Forget a group.

        Raises:
            Unknown: there is none of that name.
            ConfigError: a node would be left without a profile.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            if not groups.delete(connection, name):
                raise unknown_group(name, source)
            refuse_stranded(connection, source)
            bump(connection)


def _refuse_too_many(count: int, source: str) -> None:
    if count > MAX_NODES:
        raise ConfigError(source, "", f"there would be {count} nodes; at most {MAX_NODES} fit")


def _names(given: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.name for node in given)
