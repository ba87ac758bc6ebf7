"""The store: nodes, volumes and timelines, each method one transaction; safe from many threads.

Every change of a node or group counts ``version`` up in the same transaction, so whoever reads the
version (``version``, ``snapshot``) learns of changes other processes made too.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from netboot.errors import ConfigError
from netboot.lifecycle import Cause
from netboot.model import Group, Node, State
from netboot.snapshot import Snapshot
from netboot.store import bmcs, groups, nodes, transitions, volumes
from netboot.store.always import (
    refuse_claimed,
    refuse_stranded,
    refuse_without_profile,
)
from netboot.store.audit import Audit
from netboot.store.bmc_shapes import BmcChange
from netboot.store.database import transaction
from netboot.store.group_shapes import (
    MAX_GROUPS,
    GroupChange,
    changed_group,
    new_group,
    unknown_group,
)
from netboot.store.guard import Guard, unguarded
from netboot.store.hands import Hands
from netboot.store.jobs import HasCd, Jobs
from netboot.store.lives import Lives
from netboot.store.opened import COMMAND_LINE, bump, version
from netboot.store.overrides import Overrides
from netboot.store.repeats import Repeats
from netboot.store.shapes import (
    Conflict,
    Imported,
    NodeChange,
    changed,
    refuse_strange_name,
    unknown_node,
)
from netboot.store.strangers import Strangers
from netboot.store.timelines import Timelines
from netboot.store.tokens import Tokens
from netboot.store.volume_shapes import Opening
from netboot.store.volumes import Volumes
from netboot.store.words import MAX_NODES


class Store(Timelines, Hands, Volumes, Overrides, Lives, Jobs, Tokens, Audit, Repeats, Strangers):
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
            transitions.register(connection, [node], self._retention)
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

    def get_all(self, names: Sequence[str], source: str = COMMAND_LINE) -> Sequence[Node]:
        """The nodes of these names, in their order.

        Raises:
            Unknown: there is none of one of them.
        """
        for name in names:
            refuse_strange_name(name, source)
        with transaction(self._sure) as connection:
            found = {node.name: node for node in nodes.read_some(connection, names)}
        if missing := [name for name in names if name not in found]:
            raise unknown_node(missing[0], source)
        return [found[name] for name in names]

    def list(self) -> list[Node]:
        """Every node, by name."""
        with transaction(self._sure) as connection:
            return nodes.read_all(connection)

    def page(
        self,
        after: str,
        limit: int,
        states: Collection[State] = (),
        labels: Collection[tuple[str, str]] = (),
    ) -> Sequence[Node]:
        """The next ``limit`` nodes behind a name: in one of these states, with all these labels."""
        with transaction(self._sure) as connection:
            return nodes.page(connection, after, limit, states, labels)

    def update(
        self,
        name: str,
        change: NodeChange,
        source: str = COMMAND_LINE,
        bmc: BmcChange | None = None,
        guard: Guard[Node] = unguarded,
    ) -> Node:
        """Change one node and its BMC; what others change meanwhile is kept too.

        Args:
            name: whose.
            change: what.
            source: where that stands, for errors.
            bmc: what of its BMC.
            guard: looks at the node as it is just before, and raises to keep it so.

        Returns:
            the node as it is now.

        Raises:
            ConfigError: there is no such node, or it may not become that.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            before = nodes.known(connection, name, source)
            guard(before)
            after = changed(before, change, source)
            if after != before:
                refuse_claimed(connection, [after], source)
                refuse_without_profile(connection, [after], source)
                nodes.replace(connection, [after])
                bump(connection)
            if change.state is not None:
                self._adopt(connection, after, source)
            if bmc is not None:
                bmcs.change(connection, name, bmc, source)
            return nodes.known(connection, name, source)

    def remove(
        self,
        name: str,
        source: str = COMMAND_LINE,
        guard: Guard[Node] = unguarded,
        *,
        has_cd: HasCd = lambda _memory: False,
    ) -> None:
        """Forget a node, and cancel its jobs; its timeline stays.

        Args:
            name: whose.
            source: where that was asked, for errors.
            guard: as in ``update``.
            has_cd: says of a job's memory whether its virtual CD may be in the node's BMC.

        Raises:
            Unknown: there is none of that name.
            Conflict: its BMC has a job's virtual CD, which nobody would take out any more.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            guard(nodes.known(connection, name, source))
            before = transitions.standing(connection, name, source)
            self._forget_jobs(connection, name, source, has_cd, time.time())
            transitions.move(connection, before, Cause.REMOVED, self._retention, source)
            nodes.delete(connection, name)

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
            own = [node.name for node in given if node.state is State.INSTALLED]
            given = [_over(before.get(node.name), node) for node in given]
            added = [node for node in given if node.name not in before]
            other = [node for node in given if before.get(node.name, node) != node]
            refuse_claimed(connection, given, source, place="[{}].")
            refuse_without_profile(connection, given, source, place="[{}].")
            _refuse_too_many(len(before) + len(added), source)
            nodes.replace(connection, other)
            transitions.register(connection, added, self._retention)
            if added or other:
                bump(connection)
            touched = {node.name for node in (*added, *other)}
            touched.update(
                name for name in own if self._adopts(connection, before.get(name), source)
            )
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

    def version(self) -> int:
        """Counts the changes of nodes and groups, whoever made them."""
        with transaction(self._sure) as connection:
            return version(connection)

    def snapshot(self, opening: Opening = lambda kept: kept.volume) -> Snapshot:
        """All nodes, groups and attached volumes, of one moment.

        Args:
            opening: gives the volumes their secrets; without it they have none.
        """
        with transaction(self._sure) as connection:
            return Snapshot(
                version(connection),
                tuple(nodes.read_all(connection)),
                tuple(groups.read_all(connection)),
                {kept.node: opening(kept) for kept in volumes.read_all(connection) if kept.node},
            )

    # Groups.

    def groups(self) -> Sequence[Group]:
        """Every group, by name."""
        with transaction(self._sure) as connection:
            return groups.read_all(connection)

    def set_group(
        self,
        name: str,
        change: GroupChange,
        source: str = COMMAND_LINE,
        guard: Guard[Group | None] = unguarded,
    ) -> Group:
        """Change a group; one that is not there begins with nothing. ``guard`` as in ``update``.

        Returns:
            the group as it is now.

        Raises:
            ConfigError: it may not become that, there are too many, or a node would be left
                without a profile.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            there = {group.name: group for group in groups.read_all(connection)}
            guard(there.get(name))
            before = there.get(name) or new_group(name, source)
            after = changed_group(before, change, source)
            if name not in there and len(there) >= MAX_GROUPS:
                raise ConfigError(source, "", f"there are {MAX_GROUPS} groups; no more fit")
            if after != before:
                groups.write(connection, after)
                refuse_stranded(connection, source)
                bump(connection)
            return after

    def remove_group(
        self, name: str, source: str = COMMAND_LINE, guard: Guard[Group] = unguarded
    ) -> None:
        """Forget a group. ``guard`` as in ``update``.

        Raises:
            Unknown: there is none of that name.
            ConfigError: a node would be left without a profile.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            there = {group.name: group for group in groups.read_all(connection)}
            if name not in there:
                raise unknown_group(name, source)
            guard(there[name])
            groups.delete(connection, name)
            refuse_stranded(connection, source)
            bump(connection)


def _refuse_too_many(count: int, source: str) -> None:
    if count > MAX_NODES:
        raise ConfigError(source, "", f"there would be {count} nodes; at most {MAX_NODES} fit")


def _over(before: Node | None, given: Node) -> Node:
    """A node of a file over the one that is there, whose life goes on.

    Nor does a file say what was said of it over Redfish.
    """
    if before is None:
        return given
    return replace(
        given,
        state=before.state,
        installation=before.installation,
        override=before.override,
        because=before.because,
    )


def _names(given: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.name for node in given)
