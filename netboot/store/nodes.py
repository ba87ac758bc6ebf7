"""Node ↔ rows. Every function works inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa

from netboot.model import Mac, Node
from netboot.store import schema

_Condition = Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]

MAX_PARAMETERS = 10_000
"""Values in one ``IN (…)``; SQLite allows 32,766."""


def read(connection: sa.Connection, name: str) -> Node | None:
    """One node, None where there is none of that name."""
    found = _read(connection, lambda column: column == name)
    return found[0] if found else None


def read_all(connection: sa.Connection) -> list[Node]:
    """Every node, by name."""
    return _read(connection, lambda _column: sa.true())


def count(connection: sa.Connection) -> int:
    """How many nodes there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(schema.node)).scalar_one()


def owners(connection: sa.Connection, macs: Iterable[Mac]) -> dict[Mac, str]:
    """Which node has each of ``macs``; those nobody has are left out."""
    found: dict[Mac, str] = {}
    wanted = list(macs)
    table = schema.mac.c
    for start in range(0, len(wanted), MAX_PARAMETERS):
        part = wanted[start : start + MAX_PARAMETERS]
        rows = connection.execute(sa.select(table.mac, table.node).where(table.mac.in_(part)))
        found |= {Mac(mac): name for mac, name in rows}
    return found


def macs_of(connection: sa.Connection, name: str) -> list[Mac]:
    """The addresses of one node."""
    query = sa.select(schema.mac.c.mac).where(schema.mac.c.node == name)
    return [Mac(mac) for mac in connection.execute(query).scalars()]


def insert(connection: sa.Connection, nodes: Sequence[Node]) -> None:
    """Write nodes whose names are new."""
    _execute_many(
        connection,
        sa.insert(schema.node),
        [{"name": n.name, "profile": n.profile, "vars": dict(n.vars)} for n in nodes],
    )
    _insert_parts(connection, nodes)


def replace(connection: sa.Connection, nodes: Sequence[Node]) -> None:
    """Write nodes over those of the same names; MACs may move among them."""
    for table in (schema.mac, schema.label):
        _execute_many(
            connection,
            sa.delete(table).where(table.c.node == sa.bindparam("old")),
            [{"old": node.name} for node in nodes],
        )
    _execute_many(
        connection,
        sa.update(schema.node).where(schema.node.c.name == sa.bindparam("old")),
        [{"old": n.name, "profile": n.profile, "vars": dict(n.vars)} for n in nodes],
    )
    _insert_parts(connection, nodes)


def delete(connection: sa.Connection, name: str) -> bool:
    """Take a node out with all that is its; whether it was there."""
    gone = connection.execute(sa.delete(schema.node).where(schema.node.c.name == name))
    return gone.rowcount > 0


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
    rows = sa.select(node.name, node.profile, node.vars).where(wanted(node.name))
    return [
        Node(name, tuple(macs[name]), profile, dict(labels[name]), variables)
        for name, profile, variables in connection.execute(rows.order_by(node.name))
    ]
