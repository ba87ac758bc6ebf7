"""Node ↔ rows. Every function works inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from netboot.model import Mac, Node, State
from netboot.store import boot_once, schema
from netboot.store.identities import KINDS
from netboot.store.shapes import refuse_strange_name, unknown_node

_Condition = Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]

MAX_PARAMETERS = 10_000
"""Values in one ``IN (…)``; SQLite allows 32,766."""


def read(connection: sa.Connection, name: str) -> Node | None:
    """One node, None where there is none of that name."""
    found = _read(connection, lambda column: column == name)
    return found[0] if found else None


def known(connection: sa.Connection, name: str, source: str) -> Node:
    """One node.

    Raises:
        Unknown: there is none of that name.
    """
    refuse_strange_name(name, source)
    if (node := read(connection, name)) is None:
        raise unknown_node(name, source)
    return node


def read_some(connection: sa.Connection, names: Collection[str]) -> list[Node]:
    """The nodes of these names, by name; those that are not there are left out."""
    wanted = list(names)
    parts = (wanted[at : at + MAX_PARAMETERS] for at in range(0, len(wanted), MAX_PARAMETERS))
    found = [node for part in parts for node in _read(connection, _one_of(part))]
    return sorted(found, key=lambda node: node.name)


def read_all(connection: sa.Connection) -> list[Node]:
    """Every node, by name."""
    return _read(connection, lambda _column: sa.true())


def page(
    connection: sa.Connection,
    after: str,
    limit: int,
    states: Collection[State],
    labels: Collection[tuple[str, str]],
) -> list[Node]:
    """The next nodes by name.

    Args:
        connection: the caller's.
        after: those behind this name; "" for the first.
        limit: at most so many.
        states: in one of these; none for all.
        labels: that bear all of these.
    """
    name, label = schema.node.c.name, schema.label.c
    found = sa.select(name).where(name > after).order_by(name).limit(limit)
    if states:
        found = found.where(schema.node.c.state.in_(states))
    for key, value in labels:
        bearers = sa.select(label.node).where(label.key == key, label.value == value)
        found = found.where(name.in_(bearers))
    names = connection.execute(found).scalars().all()
    return _read(connection, lambda column: column.in_(names))


def read_without_profile(connection: sa.Connection) -> list[Node]:
    """The nodes that have no profile of their own, by name."""
    bare = sa.select(schema.node.c.name).where(schema.node.c.profile.is_(None))
    return _read(connection, lambda column: column.in_(bare))


def count(connection: sa.Connection) -> int:
    """How many nodes there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(schema.node)).scalar_one()


def states(connection: sa.Connection) -> dict[State, int]:
    """How many nodes are in each state; those with none are left out."""
    state = schema.node.c.state
    rows = connection.execute(sa.select(state, sa.func.count()).group_by(state))
    return {State(row[0]): row[1] for row in rows}


def owners(connection: sa.Connection, kind: str, values: Iterable[str]) -> dict[str, str]:
    """Which node has each of ``values``; those nobody has are left out.

    Args:
        connection: the caller's.
        kind: ``mac``, or one of ``netboot.store.identities.KINDS``.
        values: of that kind.
    """
    found: dict[str, str] = {}
    wanted = list(values)
    mine, owner = schema.mac.c.mac, schema.mac.c.node
    if kind != "mac":
        mine, owner = schema.node.c[kind], schema.node.c.name
    for start in range(0, len(wanted), MAX_PARAMETERS):
        part = wanted[start : start + MAX_PARAMETERS]
        rows = connection.execute(sa.select(mine, owner).where(mine.in_(part)))
        found |= {row[0]: row[1] for row in rows}
    return found


def macs_of(connection: sa.Connection, name: str) -> list[Mac]:
    """The addresses of one node, in their order."""
    mac = schema.mac.c
    query = sa.select(mac.mac).where(mac.node == name).order_by(mac.position)
    return [Mac(mac) for mac in connection.execute(query).scalars()]


def insert(connection: sa.Connection, nodes: Sequence[Node]) -> None:
    """Write nodes whose names are new."""
    _execute_many(
        connection,
        sa.insert(schema.node),
        [{"name": node.name} | _given(node) | _begun(node) for node in nodes],
    )
    _insert_parts(connection, nodes)


def replace(connection: sa.Connection, nodes: Sequence[Node]) -> None:
    """Write nodes over those of the same names; identities may move among them.

    Their states stay (``netboot.store.transitions``).
    """
    names = [{"old": node.name} for node in nodes]
    for table in (schema.mac, schema.label):
        mine = table.c.node == sa.bindparam("old")
        _execute_many(connection, sa.delete(table).where(mine), names)
    change = sa.update(schema.node).where(schema.node.c.name == sa.bindparam("old"))
    _execute_many(connection, change.values(dict.fromkeys(KINDS)), names)
    rows = [{"old": node.name} | _given(node) for node in nodes]
    _execute_many(connection, change, rows)
    _insert_parts(connection, nodes)


def delete(connection: sa.Connection, name: str) -> bool:
    """Take a node out with all that is its; whether it was there."""
    gone = connection.execute(sa.delete(schema.node).where(schema.node.c.name == name))
    return gone.rowcount > 0


def _given(node: Node) -> dict[str, object]:
    names = ("profile", "loader", "secure_boot", *KINDS)
    same = {name: getattr(node, name) for name in names}
    return same | {"vars": dict(node.vars)}


def _begun(node: Node) -> dict[str, object]:
    return {"state": node.state.value, "installation": node.installation}


def _insert_parts(connection: sa.Connection, nodes: Sequence[Node]) -> None:
    macs = [
        {"mac": mac, "node": node.name, "position": position}
        for node in nodes
        for position, mac in enumerate(node.macs)
    ]
    labels = [
        {"node": node.name, "key": key, "value": value}
        for node in nodes
        for key, value in node.labels.items()
    ]
    _execute_many(connection, sa.insert(schema.mac), macs)
    _execute_many(connection, sa.insert(schema.label), labels)


def _one_of(names: Sequence[str]) -> _Condition:
    return lambda column: column.in_(names)


def _execute_many(
    connection: sa.Connection, statement: sa.UpdateBase, rows: Sequence[Mapping[str, object]]
) -> None:
    if rows:
        connection.execute(statement, list(rows))


def _read(connection: sa.Connection, wanted: _Condition) -> list[Node]:
    node, mac, label = schema.node.c, schema.mac.c, schema.label.c
    macs: defaultdict[str, list[Mac]] = defaultdict(list)
    labels: defaultdict[str, dict[str, str]] = defaultdict(dict)
    query = sa.select(mac.node, mac.mac).where(wanted(mac.node)).order_by(mac.node, mac.position)
    for name, address in connection.execute(query):
        macs[name].append(Mac(address))
    pairs = sa.select(label.node, label.key, label.value).where(wanted(label.node))
    for name, key, value in connection.execute(pairs.order_by(label.node, label.key)):
        labels[name][key] = value
    overrides = boot_once.overrides(connection, wanted)
    rows = sa.select(schema.node).where(wanted(node.name)).order_by(node.name)
    return [
        Node(
            name=row.name,
            macs=tuple(macs[row.name]),
            profile=row.profile,
            labels=dict(labels[row.name]),
            vars=row.vars,
            uuid=row.uuid,
            serial=row.serial,
            asset_tag=row.asset_tag,
            loader=row.loader,
            state=State(row.state),
            installation=row.installation,
            override=overrides.get(row.name),
            because=row.because if row.state == State.FAILED else "",
            secure_boot=row.secure_boot,
        )
        for row in connection.execute(rows)
    ]
