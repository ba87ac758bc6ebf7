"""How far a node's installation is: what takes it on, in the caller's transaction.

::

    enrolled ──script──▶ installing ──call home──▶ installed
        ▲                    ▲                         │
        └─ registered        └──── somebody asks ──────┘
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.events import Event, Kind
from netboot.model import Node, State
from netboot.store import schema
from netboot.store.shapes import Conflict

_AFTER = {
    Kind.SCRIPT: (State.INSTALLING, (State.ENROLLED,)),
    Kind.INSTALLED: (State.INSTALLED, (State.ENROLLED, State.INSTALLING)),
}
"""What an event of an installation makes of which states."""


def follow(connection: sa.Connection, events: Sequence[Event]) -> bool:
    """Take nodes on by what their machines did; whether any node was changed.

    An event of an earlier installation than the one that is wanted changes nothing.
    """
    table, changed = schema.node, False
    for event in events:
        number = event.data.get("installation")
        if event.kind not in _AFTER or event.node is None or number is None:
            continue
        state, befores = _AFTER[event.kind]
        done = connection.execute(
            sa.update(table)
            .where(table.c.name == event.node, table.c.installation == number)
            .where(table.c.state.in_([before.value for before in befores]))
            .values(state=state.value)
        )
        changed = changed or done.rowcount > 0
    return changed


def asked_for(node: Node, installing: Collection[str], source: str, *, reinstall: bool) -> Node:
    """The node after somebody asked for its installation.

    Args:
        node: in effect, with the profile its groups give.
        installing: the profiles that install something.
        source: where that was asked, for errors.
        reinstall: also where it is installed, which erases it.

    Raises:
        Conflict: it is installed.
        ConfigError: its profile installs nothing.
    """
    if node.profile not in installing:
        known = ", ".join(sorted(installing)) or "none does"
        problem = (
            f"node {node.name}: its profile {node.profile} installs nothing; these do: {known}"
        )
        raise ConfigError(source, "", problem)
    if node.state is not State.INSTALLED:
        return replace(node, state=State.INSTALLING)
    if not reinstall:
        problem = f"node {node.name} is installed; --reinstall erases it and installs it again"
        raise Conflict(source, "", problem)
    return replace(node, state=State.INSTALLING, installation=node.installation + 1)


def over(before: Node | None, given: Node) -> Node:
    """A node of a file over the one that is there: an installed one is not taken back by that.

    Nor is what was said of it over Redfish, which stands in no file.
    """
    if before is None:
        return given
    given = replace(given, override=before.override)
    if given.state is not State.ENROLLED:
        return given
    return replace(given, state=before.state, installation=before.installation)
