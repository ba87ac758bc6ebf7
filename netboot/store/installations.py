"""Installations asked for and done: what takes a node on by them, in the caller's transaction.

Each installation somebody asks for has a number, which scripts, tokens and events carry: nothing
of an earlier one changes a later one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.events import Event, Kind
from netboot.lifecycle import PAUSES, TRANSITIONS, Cause
from netboot.model import Node, State
from netboot.policy import DEPLOY, DISK_IMAGE
from netboot.snapshot import Snapshot
from netboot.store import groups, nodes, transitions
from netboot.store.opened import bump
from netboot.store.retention import Retention
from netboot.store.shapes import Conflict, refuse_strange_name, unknown_node
from netboot.store.transitions import Standing, Why

_CAUSES = {
    Kind.SCRIPT: Cause.SCRIPT,
    Kind.INSTALLED: Cause.CALLED_HOME,
    Kind.FAILED: Cause.FAIL,
}
"""What an event of an installation is to its node."""


def follow(connection: sa.Connection, events: Sequence[Event], keep: Retention) -> bool:
    """Take nodes on by what their machines did; whether any node was changed.

    An event of an earlier installation than the one that is wanted changes nothing.
    """
    changed = False
    for event in events:
        number = event.data.get("installation")
        if event.kind not in _CAUSES or event.node is None or number is None:
            continue
        before = transitions.find(connection, event.node)
        if before is not None and before.installation == number:
            changed |= _followed(connection, before, event, keep)
    return changed


def _followed(connection: sa.Connection, before: Standing, event: Event, keep: Retention) -> bool:
    cause = _CAUSES[event.kind]
    if before.state in PAUSES:  # it counts for the state the node comes back to
        return transitions.move_behind(connection, before, cause)
    if (before.state, cause) not in TRANSITIONS:
        return False
    because = event.detail if cause is Cause.FAIL else ""
    why = Why(because=because, time=event.time)
    now = transitions.move(connection, before, cause, keep, event.node or "", why)
    return now != before


def next_installation(before: Standing, source: str, *, reinstall: bool) -> int:
    """The number of the installation that is asked for now.

    It is a new one unless none began under the present number, or that one goes on.

    Args:
        before: where the node stands.
        source: where that was asked, for errors.
        reinstall: also where it is installed, which erases it.

    Raises:
        Conflict: it is installed.
    """
    if before.state in (State.INSTALLING, State.REINSTALLING, State.ENROLLED):
        return before.installation
    if before.state is State.INSTALLED and not reinstall:
        said = f"node {before.name} is installed; --reinstall erases it and installs it again"
        raise Conflict(source, "", said)
    return before.installation + 1


def nodes_in_effect(connection: sa.Connection, names: Iterable[str], source: str) -> list[Node]:
    """Nodes as their groups complete them, each once, in the order of their names here.

    Raises:
        Unknown: there is none of one of the names.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        refuse_strange_name(name, source)
    found = {node.name: node for node in nodes.read_some(connection, wanted)}
    for name in wanted:
        if name not in found:
            raise unknown_node(name, source)
    ordered = tuple(found[name] for name in wanted)
    return list(Snapshot(0, ordered, tuple(groups.read_all(connection))).nodes_in_effect())


def deployed(connection: sa.Connection, node: Node, image: str) -> Node:
    """Have a node installed by a disk image from now on.

    Args:
        connection: the caller's.
        node: in effect.
        image: the disk image's name.

    Returns:
        the node in effect as it is now.
    """
    mine = {DISK_IMAGE: image}
    for own in nodes.read_some(connection, [node.name]):
        changed = replace(own, profile=DEPLOY, vars={**own.vars, **mine})
        nodes.replace(connection, [changed])
    bump(connection)
    return replace(node, profile=DEPLOY, vars={**node.vars, **mine})


def refuse_no_installer(node: Node, installing: Collection[str], source: str) -> None:
    """A node whose profile installs nothing cannot be installed.

    Args:
        node: in effect, with the profile its groups give.
        installing: the profiles that install something.
        source: where that was asked, for errors.

    Raises:
        ConfigError: it is one.
    """
    if node.profile not in installing:
        known = ", ".join(sorted(installing)) or "none does"
        problem = (
            f"node {node.name}: its profile {node.profile} installs nothing; these do: {known}"
        )
        raise ConfigError(source, "", problem)
