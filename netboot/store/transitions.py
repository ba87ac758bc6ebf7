"""A node's state ↔ its row, each change with its cause in the timeline.

Every function works in the caller's transaction.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from netboot.events import Event, Kind
from netboot.lifecycle import BACK, TRANSITIONS, WORDS, Cause, Illegal, after, origin
from netboot.model import Mac, Node, State
from netboot.store import nodes, schema, timeline
from netboot.store.opened import bump
from netboot.store.retention import Retention
from netboot.store.shapes import Conflict, unknown_node

LONGEST_REASON = 500
"""Characters that are kept of why a node is in its state."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a node stands.

    Attributes:
        installation: the number of the one that is wanted, or was.
        came_from: the state before.
    """

    name: str
    state: State
    installation: int
    came_from: State | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """What is written down beside a cause.

    Attributes:
        by: who asked, "" where nobody did.
        because: a clause; for a failure its reason.
        time: epoch seconds, None for now.
    """

    by: str = ""
    because: str = ""
    time: float | None = None


NO_REASON = Why()


def find(connection: sa.Connection, name: str) -> Standing | None:
    """Where a node stands."""
    columns = (_NODE.name, _NODE.state, _NODE.installation, _NODE.came_from)
    query = sa.select(*columns).where(_NODE.name == name)
    row = connection.execute(query).first()
    if row is None:
        return None
    came_from = None if row.came_from is None else State(row.came_from)
    return Standing(row.name, State(row.state), row.installation, came_from)


def standing(connection: sa.Connection, name: str, source: str) -> Standing:
    """As ``find``.

    Raises:
        Unknown: there is none of that name.
    """
    found = find(connection, name)
    if found is None:
        raise unknown_node(name, source)
    return found


def move(
    connection: sa.Connection,
    before: Standing,
    cause: Cause,
    keep: Retention,
    source: str,
    why: Why = NO_REASON,
    *,
    installation: int | None = None,
) -> Standing:
    """Take a node on.

    Args:
        connection: the caller's.
        before: where it stands, as read in this transaction.
        cause: what takes it on.
        keep: how much of the timeline is kept.
        source: where that was asked, for errors.
        why: for the timeline.
        installation: the number it goes on with, None for the same; a wipe that is over counts
            it up in any case, so that nothing of it is taken for the next one's.

    Raises:
        Conflict: it may not; the text says why and what would be allowed.
    """
    try:
        state = after(before.state, cause, before.came_from)
    except Illegal as problem:
        raise Conflict(source, "", f"node {before.name}: {problem}") from None
    number = before.installation if installation is None else installation
    if before.state is State.WIPING and state is not State.WIPING:
        number += 1
    now = Standing(before.name, state, number, origin(before.state, before.came_from))
    if state is before.state and number == before.installation:
        return before
    if state is not before.state:
        note(connection, before.name, (before.state, state), cause, keep, why)
    if state is not State.DISCOVERED:
        fails = state is State.FAILED and (before.state, cause) not in BACK
        _write(connection, now, why.because if fails else None)
    bump(connection)
    return now


def move_behind(connection: sa.Connection, before: Standing, cause: Cause) -> bool:
    """Take on what a paused node comes back to; whether that is another state now."""
    came_from = before.came_from or State.AVAILABLE
    behind = TRANSITIONS.get((came_from, cause), came_from)
    if behind is came_from:
        return False
    mine = sa.update(schema.node).where(_NODE.name == before.name)
    connection.execute(mine.values(came_from=behind.value))
    return True


def register(
    connection: sa.Connection, given: Sequence[Node], keep: Retention, why: Why = NO_REASON
) -> None:
    """Write new nodes; of what is said of their states, only what concerns a new one counts."""
    rows, events = [], []
    for node in given:
        mac, state = node.macs[0] if node.macs else None, State.DISCOVERED
        for cause in _REGISTERED_AS.get(node.state, (Cause.REGISTERED,)):
            change = state, after(state, cause)
            events.append(_event(node.name, mac, change, cause, why))
            _, state = change
        rows.append(replace(node, state=state))
    nodes.insert(connection, rows)
    timeline.append(connection, events, keep)


def note(
    connection: sa.Connection,
    name: str,
    change: tuple[State, State],
    cause: Cause,
    keep: Retention,
    why: Why = NO_REASON,
) -> None:
    """Write a change of state into the timeline."""
    mac = next(iter(nodes.macs_of(connection, name)), None)
    timeline.append(connection, [_event(name, mac, change, cause, why)], keep)


def _event(
    name: str, mac: Mac | None, change: tuple[State, State], cause: Cause, why: Why
) -> Event:
    old, new = change
    by = f" by {why.by}" if why.by else ""
    because = f": {why.because}" if why.because else ""
    data: dict[str, str | int] = {"from": old.value, "to": new.value, "cause": cause.value}
    if why.by:
        data["by"] = why.by
    when = time.time() if why.time is None else why.time
    return Event(Kind.STATE, mac, name, f"{old} → {new}: {WORDS[cause]}{by}{because}", data, when)


def _write(connection: sa.Connection, now: Standing, because: str | None) -> None:
    values: dict[str, object] = {
        "state": now.state.value,
        "installation": now.installation,
        "came_from": None if now.came_from is None else now.came_from.value,
    }
    if because is not None:
        values["because"] = because[:LONGEST_REASON]
    mine = sa.update(schema.node).where(_NODE.name == now.name)
    connection.execute(mine.values(values))


_NODE = schema.node.c
_HANDED_BACK = (Cause.REGISTERED, Cause.HAND_BACK)
_REGISTERED_AS: Mapping[State, tuple[Cause, ...]] = {
    State.INSTALLED: (Cause.ADOPTED,),
    State.AVAILABLE: _HANDED_BACK,
    State.INSPECTING: _HANDED_BACK,
    State.RESCUE: _HANDED_BACK,
    State.WIPING: _HANDED_BACK,
    State.FAILED: _HANDED_BACK,
    State.MAINTENANCE: (Cause.REGISTERED, Cause.MAINTAIN),
    State.RETIRED: (Cause.REGISTERED, Cause.RETIRE),
}
"""How a node comes to be what another store said that it is; nothing that was under way goes on."""
