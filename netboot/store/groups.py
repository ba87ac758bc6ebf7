"""Group ↔ row. Every function works inside the caller's transaction; there are few groups."""

import sqlalchemy as sa

from netboot.model import Group
from netboot.store import schema


def read_all(connection: sa.Connection) -> list[Group]:
    """Every group, by name."""
    table = schema.node_group
    rows = connection.execute(sa.select(table).order_by(table.c.name))
    return [Group(row.name, row.labels, row.profile, row.vars, row.priority) for row in rows]


def write(connection: sa.Connection, group: Group) -> None:
    """Keep a group in the place of the one of its name."""
    delete(connection, group.name)
    row = {
        "name": group.name,
        "labels": dict(group.labels),
        "profile": group.profile,
        "vars": dict(group.vars),
        "priority": group.priority,
    }
    connection.execute(sa.insert(schema.node_group).values(row))


def delete(connection: sa.Connection, name: str) -> bool:
    """Take a group out; whether it was there."""
    table = schema.node_group
    return connection.execute(sa.delete(table).where(table.c.name == name)).rowcount > 0
