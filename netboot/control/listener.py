"""Hearing at once of what other replicas changed, where PostgreSQL tells of it.

While it cannot be heard, everything may have changed: who waits is woken once a second to look.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import psycopg

from netboot.errors import NetbootError
from netboot.store.database import CHANNEL, Topic
from netboot.store.postgresql import SERVING, parameters

RETRY = 1.0
"""Seconds from a lost connection to the next one, and from look to look meanwhile."""
QUIET = 10.0
"""Seconds without a word after which the connection is tried."""
ANSWER = 10.0
"""Seconds the server gets to answer then."""

_TOPICS = frozenset(Topic)

log = logging.getLogger(__name__)


async def listen(
    url: str, password_file: Path | None, told: Mapping[Topic, Callable[[], None]]
) -> None:
    """Call what is told of each topic, until cancelled.

    Args:
        url: the database's.
        password_file: where its password is.
        told: each called in the event loop, at least once for any number of changes.
    """
    while True:
        try:
            async for topic in _topics(url, password_file):
                told[topic]()
        except (psycopg.Error, NetbootError, TimeoutError) as error:
            log.debug("not told of changes: %s", error)  # who looks in vain says why
        for look in told.values():
            look()
        await asyncio.sleep(RETRY)


async def _topics(url: str, password_file: Path | None) -> AsyncIterator[Topic]:
    """What is told, on a connection of its own; each topic once at the beginning.

    While the connection stands its program counts as serving, so nobody replaces what it serves
    (``netboot.store.restore``).
    """
    given = parameters(url, password_file)
    async with await psycopg.AsyncConnection.connect(**given, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock_shared(%s)", [SERVING])
        await connection.execute(f"LISTEN {CHANNEL}".encode())
        for topic in Topic:  # what was told before, nobody heard
            yield topic
        while True:
            async for notice in connection.notifies(timeout=QUIET):
                if notice.payload in _TOPICS:  # a replica of another version may tell of more
                    yield Topic(notice.payload)
            async with asyncio.timeout(ANSWER):
                await connection.execute("SELECT 1")
