"""The store's audit log: every write through the control plane, who asked, and how it went.

An entry is kept before the write is tried and gets its status after: what a crash cut off is
there, without a status.
"""

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from netboot.store import schema
from netboot.store.access_shapes import MAX_ROUTE, MAX_TARGET, MAX_WHO, AuditEntry, Written
from netboot.store.database import transaction
from netboot.store.opened import Opened

MAX_AUDIT = 100_000
"""Audit entries kept; the oldest go first. Forty writes a day for seven years."""


class Audit(Opened):
    """Audit entries, in the order they came."""

    def audit_begun(self, written: Written) -> int:
        """Keep what is about to be written; the entry's number.

        Raises:
            OperationError: it cannot be kept, so it must not be done.
        """
        table = schema.audit
        row = {
            "time": time.time(),
            "who": written.who[:MAX_WHO],
            "origin": written.origin[:MAX_WHO],
            "method": written.method,
            "route": written.route[:MAX_ROUTE],
            "target": written.target[:MAX_TARGET],
            "request": written.request,
        }
        with self._writing, transaction(self._quick, writes=True) as connection:
            insert = sa.insert(table).values(row).returning(table.c.id)
            number = int(connection.execute(insert).scalar_one())
            connection.execute(sa.delete(table).where(table.c.id <= number - MAX_AUDIT))
            return number

    def audit_ended(self, number: int, status: int, target: str) -> None:
        """Keep how it went, and what it was about, which is only sure now."""
        table = schema.audit
        with self._writing, transaction(self._quick, writes=True) as connection:
            entry = sa.update(table).where(table.c.id == number)
            connection.execute(entry.values(status=status, target=target[:MAX_TARGET]))

    def audit(self, limit: int = 50, after: int | None = None) -> Sequence[AuditEntry]:
        """The newest entries, the newest first.

        Args:
            limit: at most so many.
            after: only those behind this one, which are older.
        """
        table = schema.audit
        query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(table.c.id < after)
        with transaction(self._quick) as connection:
            return [_entry(row) for row in connection.execute(query)]

    def last_write(self, route: str, target: str) -> AuditEntry | None:
        """The newest entry of a write to this very thing that was done; None where none is kept."""
        table = schema.audit
        mine = (table.c.route == route) & (table.c.target == target)
        done = sa.between(table.c.status, 200, 299)
        query = sa.select(table).where(mine, done).order_by(table.c.id.desc()).limit(1)
        with transaction(self._quick) as connection:
            row = connection.execute(query).first()
        return None if row is None else _entry(row)


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.who,
        row.origin,
        row.method,
        row.route,
        row.target,
        row.request,
        row.id,
        row.time,
        row.status,
    )
