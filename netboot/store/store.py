"""The store: nodes, groups and timelines, each method one transaction; safe from many threads.

Every change of a node or group counts ``version`` up in the same transaction, so whoever reads the
version (``version``, ``snapshot``) learns of changes other processes made too.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.events import Event
from netboot.model import Group, Node, State
from netboot.snapshot import Snapshot
from netboot.store import groups, installations, nodes, schema, timeline
from netboot.store.always import (
    refuse_claimed,
    refuse_stranded,
    refuse_without_profile,
)
from netboot.store.database import engine_for, path_of, prepare, transaction, upgrade
from netboot.store.group_shapes import (
    MAX_GROUPS,
    GroupChange,
    changed_group,
    new_group,
    unknown_group,
)
from netboot.store.shapes import (
    Conflict,
    Imported,
    NodeChange,
    Record,
    changed,
    mac_of,
    refuse_strange_name,
    unknown_node,
)
from netboot.store.timeline import Retention
from netboot.store.words import MAX_NODES

COMMAND_LINE = "command line"
"""Where bad input stands when nobody says otherwise."""


class Store:
    """One database.

    Args:
        url: ``sqlite:///`` and a file; it is made where it is missing, upgraded where it is old.
        retention: how many events are kept.

    Raises:
        ConfigError: the URL or the file is not one we can use.
        OperationError: the system or the database does not let us.
    """

    def __init__(self, url: str, retention: Retention | None = None) -> None:
        path = path_of(url)
        prepare(path)
        self._retention = retention or Retention()
        self._sure = engine_for(path, "FULL")
        self._quick = engine_for(path, "NORMAL")
        self._writing = threading.Lock()  # threads queue here instead of polling SQLite's lock
        try:
            upgrade(self._sure)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up every connection; the last one out folds the WAL into the file."""
        self._sure.dispose()
        self._quick.dispose()

    # Nodes.

    def add(self, node: Node, source: str = COMMAND_LINE) -> None:
        """Keep a new node.

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
            _bump(connection)

    def get(self, name: str, source: str = COMMAND_LINE) -> Node:
        """One node.

        Raises:
            Unknown: there is none of that name.
        """
        with transaction(self._sure) as connection:
            return _known(connection, name, source)

    def list(self) -> list[Node]:
        """Every node, by name."""
        with transaction(self._sure) as connection:
            return nodes.read_all(connection)

    def update(self, name: str, change: NodeChange, source: str = COMMAND_LINE) -> Node:
        """Change one node; what others change meanwhile is kept too.

        Returns:
            the node as it is now.

        Raises:
            ConfigError: there is no such node, or it may not become that.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            before = _known(connection, name, source)
            after = changed(before, change, source)
            if after != before:
                refuse_claimed(connection, [after], source)
                refuse_without_profile(connection, [after], source)
                nodes.replace(connection, [after])
                _bump(connection)
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
            _bump(connection)

    def import_nodes(self, given: Sequence[Node], source: str = COMMAND_LINE) -> Imported:
        """Add new nodes and replace those there already: all of them or none.

        Args:
            given: names and identities each stand once (``nodes_of`` sees to it).
            source: the file they stand in.

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
                _bump(connection)
        touched = {node.name for node in (*added, *other)}
        unchanged = tuple(node.name for node in given if node.name not in touched)
        return Imported(_names(added), _names(other), unchanged)

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
            known = {name: _known(connection, name, source) for name in dict.fromkeys(names)}
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
                _bump(connection)
            return asked

    def states(self) -> Mapping[State, int]:
        """How many nodes are in each state."""
        with transaction(self._quick) as connection:
            return nodes.states(connection)

    def version(self) -> int:
        """Counts the changes of nodes and groups, whoever made them."""
        with transaction(self._sure) as connection:
            return _version(connection)

    def snapshot(self) -> Snapshot:
        """All nodes and groups, of one moment."""
        with transaction(self._sure) as connection:
            return Snapshot(
                _version(connection),
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
                _bump(connection)
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
            _bump(connection)

    # The timeline.

    def append_events(self, events: Sequence[Event]) -> None:
        """Keep events, in this order, in one transaction.

        Raises:
            OperationError: the database could not do it; none is kept.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            self._keep(connection, events)

    def append_numbered(self, instance: str, events: Sequence[tuple[int, Event]]) -> int:
        """Keep those events of one boot program's run that are not kept yet.

        Args:
            instance: which run.
            events: with their numbers, rising.

        Returns:
            the highest number kept of that run.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            last = timeline.last_seq(connection, instance)
            new = [(seq, event) for seq, event in events if seq > last]
            if new:
                last = new[-1][0]
                self._keep(connection, [event for _, event in new])
                timeline.note_seq(connection, instance, last)
            return last

    def _keep(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        timeline.append(connection, events, self._retention)
        if installations.follow(connection, events):
            _bump(connection)

    def last_seq(self, instance: str) -> int:
        """The highest number kept of one boot program's run; 0 for none."""
        with transaction(self._quick) as connection:
            return timeline.last_seq(connection, instance)

    def timeline(
        self,
        name_or_mac: str,
        after_id: int | None = None,
        limit: int = 1000,
        source: str = COMMAND_LINE,
    ) -> Sequence[Record]:
        """What a machine asked and got, in the order it was recorded.

        Args:
            name_or_mac: a name stands for what bears it and for the node's present MACs.
            after_id: only what came after it, oldest first; None for the newest ``limit``.
            limit: at most so many.
            source: where the name stands, for errors.

        Raises:
            Unknown: no node and no event has this name.
        """
        mac = mac_of(name_or_mac)
        with transaction(self._quick) as connection:
            if mac is not None:
                return timeline.read(connection, None, [mac], after_id, limit)
            refuse_strange_name(name_or_mac, source)
            macs = nodes.macs_of(connection, name_or_mac)
            if not macs and not timeline.bears_name(connection, name_or_mac):
                raise unknown_node(name_or_mac, source)
            return timeline.read(connection, name_or_mac, macs, after_id, limit)


def _known(connection: sa.Connection, name: str, source: str) -> Node:
    refuse_strange_name(name, source)
    if (node := nodes.read(connection, name)) is None:
        raise unknown_node(name, source)
    return node


def _refuse_too_many(count: int, source: str) -> None:
    if count > MAX_NODES:
        raise ConfigError(source, "", f"there would be {count} nodes; at most {MAX_NODES} fit")


def _bump(connection: sa.Connection) -> None:
    counter = schema.meta
    row = sa.update(counter).where(counter.c.name == "version")
    connection.execute(row.values(value=counter.c.value + 1))


def _version(connection: sa.Connection) -> int:
    counter = schema.meta.c
    query = sa.select(counter.value).where(counter.name == "version")
    return int(connection.execute(query).scalar_one())


def _names(given: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.name for node in given)
