"""The store's strangers: machines that were heard and that nobody registered."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from netboot.events import Kind
from netboot.model import Mac
from netboot.store import schema, timeline
from netboot.store.database import transaction
from netboot.store.opened import Opened
from netboot.store.shapes import Record


@dataclass(frozen=True, slots=True)
class Stranger:
    """A machine nobody registered.

    Attributes:
        count: its events that are kept.
        first: time of the first of them, epoch seconds.
        last: the newest of them.
        asked: the newest in which it asked for an address; it says how the machine speaks.
    """

    mac: Mac
    count: int
    first: float
    last: Record
    asked: Record | None


class Strangers(Opened):
    """Machines nobody registered, by what they asked."""

    def strangers(self, before: int | None, limit: int) -> Sequence[Stranger]:
        """Those heard last first.

        Args:
            before: only those whose newest event has a lower id: the next page.
            limit: at most so many.
        """
        table = schema.event.c
        newest = sa.func.max(table.id)
        asked = sa.func.max(sa.case((table.kind == Kind.DISCOVER.value, table.id)))
        query = (
            sa.select(table.mac, sa.func.count(), sa.func.min(table.time), newest, asked)
            .where(table.node.is_(None), table.mac.is_not(None))
            .where(table.mac.not_in(sa.select(schema.mac.c.mac)))
            .group_by(table.mac)
            .order_by(newest.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.having(newest < before)
        with transaction(self._quick) as connection:
            rows = connection.execute(query).all()
            wanted = [number for row in rows for number in row[3:] if number is not None]
            found = timeline.read_these(connection, wanted)
        return [
            Stranger(Mac(mac), count, first, found[last], found.get(asked))
            for mac, count, first, last, asked in rows
        ]
