"""The tables. A change here needs a migration, and its number in ``REVISIONS``."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every schema this code knows, oldest first; the last is the one it works with."""
HEAD = REVISIONS[-1]

metadata = MetaData()

node = Table(
    "node",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("profile", String(63)),
    Column("vars", JSON, nullable=False),
    Column("uuid", String(36)),
    Column("serial", String(64)),
    Column("asset_tag", String(64)),
    Column("loader", String(64)),
    Column("state", String(16), nullable=False, server_default="enrolled"),
    Column("installation", Integer, nullable=False, server_default="1"),
    Index("node_by_uuid", "uuid", unique=True),
    Index("node_by_serial", "serial", unique=True),
    Index("node_by_asset_tag", "asset_tag", unique=True),
)

node_group = Table(  # "group" is a word of SQL
    "node_group",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("labels", JSON, nullable=False),
    Column("profile", String(63)),
    Column("vars", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
)

mac = Table(
    "mac",
    metadata,
    Column("mac", String(17), primary_key=True),
    Column("node", ForeignKey("node.name", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Index("mac_by_node", "node"),
)

label = Table(
    "label",
    metadata,
    Column("node", ForeignKey("node.name", ondelete="CASCADE"), primary_key=True),
    Column("key", String(63), primary_key=True),
    Column("value", String(63), nullable=False),
    Index("label_by_key", "key", "value"),
)

bmc = Table(
    "bmc",
    metadata,
    Column("node", ForeignKey("node.name", ondelete="CASCADE"), primary_key=True),
    Column("address", String(512), nullable=False),
    Column("user", String(255)),
    Column("source", String(1024)),
    Column("sealed", LargeBinary),
    Column("tls", String(4200), nullable=False),
)
"""``source`` says where the password is, or ``sealed`` is it; the key is not in the database."""

bmc_rung = Table(
    "bmc_rung",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("target", String(16), primary_key=True),
    Column("rung", String(32), nullable=False),
    Column("seen", Float, nullable=False),
)
"""Per model of machine and boot target: the way that worked last."""

hardware = Table(
    "hardware",
    metadata,
    Column("node", ForeignKey("node.name", ondelete="CASCADE"), primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("seen", Float, nullable=False),
)
"""What each node's BMC said last that the machine is."""

boot_once = Table(
    "boot_once",
    metadata,
    Column("node", ForeignKey("node.name", ondelete="CASCADE"), primary_key=True),
    Column("source", String(8), nullable=False),
    Column("once", Boolean, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("image", String(2048)),
    Column("power", String(8), nullable=False),
)
"""What was said over Redfish of each node; ``power``: what its power was changed to last."""

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("mac", String(17)),
    Column("node", String(63)),
    Column("detail", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("event_by_node", "node", "id"),
    Index("event_by_mac", "mac", "id"),
    Index("event_by_kind", "kind", "id"),
    sqlite_autoincrement=True,  # a follower's "after" must not meet a number again
)

origin = Table(
    "origin",
    metadata,
    Column("instance", String(64), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("seen", Float, nullable=False),
)
"""Per run of a boot program: the highest event number kept, so that none is kept twice."""

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)
"""Counters: ``version`` of nodes and groups, ``events`` kept."""
