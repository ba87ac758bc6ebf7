"""The store's memory of requests with a key, so that a repeated one gets the first's answer."""

import time
from dataclasses import dataclass

import sqlalchemy as sa

from netboot.store import schema
from netboot.store.database import transaction
from netboot.store.opened import Opened

MAX_KEYS = 10_000
"""Requests with a key that are remembered; the oldest go first."""
REMEMBERED = 24 * 3600.0
"""Seconds a key is remembered."""


@dataclass(frozen=True, slots=True)
class Before:
    """A request whose key was used before.

    Attributes:
        request: what was asked then, a digest.
        answer: what was answered; None where it is under way, or was cut off.
    """

    request: bytes
    answer: bytes | None


class Repeats(Opened):
    """Keys of requests, each of its asker's."""

    def request_begun(self, who: str, key: str, request: bytes) -> Before | None:
        """Remember a request before it is served; gives the one that had this key before.

        Args:
            who: the asker.
            key: a digest of the key.
            request: a digest of what is asked that tells nothing without the key.
        """
        table, now = schema.idempotency, time.time()
        mine = (table.c.who == who) & (table.c.key == key)
        with self._writing, transaction(self._sure, writes=True) as connection:
            connection.execute(sa.delete(table).where(table.c.time < now - REMEMBERED))
            found = connection.execute(sa.select(table).where(mine)).first()
            if found is not None:
                return Before(found.request, found.answer)
            row = {"who": who, "key": key, "request": request, "time": now}
            connection.execute(sa.insert(table).values(row))
            newest = sa.select(table.c.time).order_by(table.c.time.desc()).offset(MAX_KEYS - 1)
            bound = newest.limit(1).scalar_subquery()
            connection.execute(sa.delete(table).where(table.c.time < bound))
            return None

    def request_ended(self, who: str, key: str, status: int, answer: bytes) -> None:
        """Keep what a request was answered."""
        table = schema.idempotency
        kept = sa.update(table).where(table.c.who == who, table.c.key == key)
        with self._writing, transaction(self._sure, writes=True) as connection:
            connection.execute(kept.values(status=status, answer=answer))

    def request_forgotten(self, who: str, key: str) -> None:
        """Nothing came of it: the next with this key is the first."""
        table = schema.idempotency
        gone = sa.delete(table).where(table.c.who == who, table.c.key == key)
        with self._writing, transaction(self._sure, writes=True) as connection:
            connection.execute(gone)
