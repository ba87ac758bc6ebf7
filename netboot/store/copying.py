"""A whole store's rows, from one database into another of the same schema."""

from collections.abc import Sequence

import sqlalchemy as sa

BATCH = 1_000
"""Rows in memory at a time."""
NOT_OURS = "alembic_version"
"""The one table that is alembic's: it stays as the schema is."""


def tables_of(connection: sa.Connection) -> Sequence[sa.Table]:
    """A database's tables as they stand there, each after those it refers to."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != NOT_OURS]


def copy(source: sa.Connection, target: sa.Connection, tables: Sequence[sa.Table]) -> None:
    """Make ``target`` hold what ``source`` holds, and nothing else.

    Args:
        source: sees one moment.
        target: the caller's transaction.
        tables: of both, in the order of ``tables_of``.
    """
    for table in reversed(tables):
        target.execute(sa.delete(table))
    streamed = {"stream_results": True, "max_row_buffer": BATCH}
    for table in tables:
        rows = source.execute(sa.select(table), execution_options=streamed)
        for part in rows.mappings().partitions(BATCH):
            target.execute(sa.insert(table), [dict(row) for row in part])
        _go_on_counting(target, table)


def counts(connection: sa.Connection, tables: Sequence[sa.Table]) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in tables
    }


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """No number that was given is given again; SQLite sees to that itself."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    highest = sa.select(sa.func.max(column)).scalar_subquery()
    query = sa.select(sa.func.setval(sequence, highest)).where(highest.is_not(None))
    connection.execute(query)
