"""BMC, hardware and what worked ↔ rows. Every function works in the caller's transaction."""

import time
from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from netboot.bmc.address import parse_address
from netboot.bmc.model import BootTarget, Hardware, Rung
from netboot.store import schema
from netboot.store.bmc_shapes import (
    Bmc,
    BmcChange,
    Inspected,
    changed_bmc,
    parse_tls,
    written_tls,
)

MAX_MODELS = 1_000
"""Models of machines, each with a boot target, of which is remembered what worked."""
LONGEST_MODEL = 128
"""Characters of a model's name by which it is known."""


def read(connection: sa.Connection, node: str) -> Bmc | None:
    """A node's BMC, None where it has none."""
    row = connection.execute(sa.select(_TABLE).where(_TABLE.c.node == node)).first()
    return None if row is None else _bmc(row)


def read_all(connection: sa.Connection) -> dict[str, Bmc]:
    """Every BMC by its node's name, in the names' order."""
    rows = connection.execute(sa.select(_TABLE).order_by(_TABLE.c.node))
    return {row.node: _bmc(row) for row in rows}


def change(
    connection: sa.Connection, node: str, wanted: BmcChange, source: str, key: str = "bmc"
) -> bool:
    """Change a node's BMC; whether it is another one now.

    Raises:
        ConfigError: it may not become that.
    """
    before = read(connection, node)
    after = changed_bmc(before, wanted, node, source, key)
    if after == before:
        return False
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.node == node))
    if after is not None:
        row = {
            "node": node,
            "address": str(after.address),
            "user": after.user,
            "source": after.source,
            "sealed": after.sealed,
            "tls": written_tls(after.tls),
        }
        connection.execute(sa.insert(_TABLE).values(row))
    return True


def rungs(connection: sa.Connection, model: str) -> Mapping[BootTarget, Rung]:
    """What worked last with machines of this model, by what was to be booted."""
    query = sa.select(_RUNG).where(_RUNG.c.model == model[:LONGEST_MODEL])
    known = {rung.value for rung in Rung}
    rows = connection.execute(query)
    return {BootTarget(row.target): Rung(row.rung) for row in rows if row.rung in known}


def remember(connection: sa.Connection, model: str, target: BootTarget, rung: Rung) -> None:
    """Keep what worked; the longest unseen goes when there are ``MAX_MODELS``."""
    key = {"model": model[:LONGEST_MODEL], "target": target.value}
    mine = sa.and_(*(_RUNG.c[name] == value for name, value in key.items()))
    connection.execute(sa.delete(_RUNG).where(mine))
    connection.execute(sa.insert(_RUNG).values(key | {"rung": rung.value, "seen": time.time()}))
    oldest = sa.select(_RUNG.c.seen).order_by(_RUNG.c.seen.desc()).offset(MAX_MODELS).limit(1)
    connection.execute(sa.delete(_RUNG).where(_RUNG.c.seen <= oldest.scalar_subquery()))


def inspected(connection: sa.Connection, node: str) -> Inspected | None:
    """What a node's BMC said last that the machine is."""
    row = connection.execute(sa.select(_HARDWARE).where(_HARDWARE.c.node == node)).first()
    return None if row is None else Inspected(msgspec.convert(row.facts, Hardware), row.seen)


def keep_hardware(connection: sa.Connection, node: str, hardware: Hardware) -> None:
    """Keep what it says now."""
    connection.execute(sa.delete(_HARDWARE).where(_HARDWARE.c.node == node))
    facts = msgspec.to_builtins(hardware)
    row = {"node": node, "facts": facts, "seen": time.time()}
    connection.execute(sa.insert(_HARDWARE).values(row))


def _bmc(row: sa.Row[tuple[object, ...]]) -> Bmc:
    given = row._mapping  # noqa: SLF001 -- SQLAlchemy's public name for it
    return Bmc(
        parse_address(given["address"]),
        given["user"],
        given["source"],
        given["sealed"],
        parse_tls(given["tls"]),
    )


_TABLE = schema.bmc
_RUNG = schema.bmc_rung
_HARDWARE = schema.hardware
