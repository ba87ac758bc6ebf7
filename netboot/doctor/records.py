"""What the store holds, read beside whoever owns it: no lock taken, nothing made or upgraded."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from netboot.events import Event, Kind
from netboot.groups import Groups, in_effect
from netboot.model import Mac, Node
from netboot.snapshot import EMPTY, Snapshot
from netboot.store import groups, nodes, schema
from netboot.store.database import engines, is_postgresql, transaction
from netboot.store.sqlite import path_of

MAX_EVENTS = 20_000
"""Events read; the newest ones where there are more."""


@dataclass(frozen=True, slots=True)
class Records:
    """Every node and group, and the events since some moment, oldest first."""

    snapshot: Snapshot = EMPTY
    events: tuple[Event, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """Every node, with what its groups give."""
        known = Groups(self.snapshot.groups)
        return [in_effect(node, known.of(node)) for node in self.snapshot.nodes]


def read(url: str, since: float, password_file: Path | None = None) -> Records:
    """Read the store; one that was never made holds nothing.

    Args:
        url: ``Settings.database``.
        since: seconds since the epoch.
        password_file: PostgreSQL's.

    Raises:
        ConfigError: the URL is none of ours.
        OperationError: the database cannot be read.
    """
    if not is_postgresql(url) and not path_of(url).exists():
        return Records()
    with _reading(url, password_file) as engine, transaction(engine) as connection:
        found = tuple(nodes.read_all(connection)), tuple(groups.read_all(connection))
        return Records(Snapshot(0, *found), tuple(_events(connection, since)))


@contextlib.contextmanager
def _reading(url: str, password_file: Path | None) -> Iterator[sa.Engine]:
    if is_postgresql(url):
        engine, _ = engines(url, password_file)
    else:
        path = quote(str(path_of(url)))
        engine = sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        yield engine
    finally:
        engine.dispose()


def _events(connection: sa.Connection, since: float) -> list[Event]:
    table = schema.event
    known = table.c.kind.in_([kind.value for kind in Kind])  # a newer netboot may know more
    query = sa.select(table).where(table.c.time >= since, known)
    rows = connection.execute(query.order_by(table.c.id.desc()).limit(MAX_EVENTS)).all()
    return [
        Event(Kind(row.kind), row.mac and Mac(row.mac), row.node, row.detail, row.data, row.time)
        for row in reversed(rows)
    ]
