"""The tables. A change here needs a migration, and its number in ``REVISIONS``."""

from typing import Any

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
    false,
    text,
)

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""Every schema this code knows, oldest first; the last is the one it works with."""
HEAD = REVISIONS[-1]

metadata = MetaData()

_LONG = BigInteger().with_variant(Integer, "sqlite")  # whose every integer is long


def _where(condition: str) -> dict[str, Any]:
    """What makes an index partial; both databases have them."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


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
    Column("secure_boot", Boolean, nullable=False, server_default=false()),
    Column("state", String(16), nullable=False, server_default="enrolled"),
    Column("installation", _LONG, nullable=False, server_default="1"),
    Column("came_from", String(16)),
    Column("because", String(500), nullable=False, server_default=""),  # it failed last
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

volume = Table(
    "volume",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("target", String(223), nullable=False),
    Column("portal", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("lun", Integer, nullable=False),
    Column("chap_user", String(255), nullable=False),
    Column("sealed", LargeBinary),
    Column("node", ForeignKey("node.name", ondelete="SET NULL")),
    Index("volume_by_node", "node", unique=True),
)
"""iSCSI volumes; ``sealed`` is the CHAP secret, whose key is not in the database."""

job = Table(
    "job",
    metadata,
    Column("id", _LONG, primary_key=True),
    Column("node", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asker", String(255), nullable=False),
    Column("asked", JSON, nullable=False),
    Column("installation", _LONG, nullable=False),
    Column("stage", String(63), nullable=False),
    Column("waits_for", String(500), nullable=False),
    Column("since", Float, nullable=False),
    Column("deadline", Float),
    Column("attempt", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("outcome", String(1000), nullable=False),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("ended", Float),
    Column("due", Float, nullable=False),
    Column("woken", Boolean, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("owner", String(255)),
    Column("lease", Float, nullable=False),
    Column("memory", LargeBinary, nullable=False),
    Column("key", String(255)),
    Column("holds", String(80)),
    Column("touched", Boolean, nullable=False),
    Column("powered", Float),
    Column("heard", Boolean, nullable=False),
    Index("job_by_due", "ended", "due"),
    Index("job_by_node", "node", "id"),
    Index("job_by_key", "key", unique=True),
    Index("job_by_holds", "holds", unique=True),
    sqlite_autoincrement=True,  # people name jobs by it
)
"""``holds``: what no other job may have until this one ended; ``touched``: its installer was given;
``lease``: until when ``owner`` has it; ``woken``: an event came while it had; ``heard``: its
machine was, since ``powered``."""

bmc_lock = Table(
    "bmc_lock",
    metadata,
    Column("key", String(512), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("lease", Float, nullable=False),
)
"""Who may speak to a BMC now, and until when."""

event = Table(
    "event",
    metadata,
    Column("id", _LONG, primary_key=True),
    Column("time", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("mac", String(17)),
    Column("node", String(63)),
    Column("detail", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("event_by_node", "node", "id"),
    Index("event_by_mac", "mac", "id"),
    Index("event_by_kind", "kind", "id"),
    Index("event_of_a_boot", "mac", "id", **_where("kind <> 'syslog'")),
    Index("event_of_a_log", "mac", "id", **_where("kind = 'syslog'")),
    sqlite_autoincrement=True,  # a follower's "after" must not meet a number again
)

origin = Table(
    "origin",
    metadata,
    Column("instance", String(64), primary_key=True),
    Column("seq", _LONG, nullable=False),
    Column("seen", Float, nullable=False),
)
"""Per run of a boot program: the highest event number kept, so that none is kept twice."""

token = Table(
    "token",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
)
"""Bearer tokens; ``digest`` is the SHA-256 of each one's secret."""

login = Table(
    "login",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("token", ForeignKey("token.name", ondelete="CASCADE"), nullable=False),
    Column("expires", Float, nullable=False),
)
"""Browsers that logged in with a token."""

audit = Table(
    "audit",
    metadata,
    Column("id", _LONG, primary_key=True),
    Column("time", Float, nullable=False),
    Column("who", String(64), nullable=False),
    Column("origin", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("route", String(128), nullable=False),
    Column("target", String(200), nullable=False),
    Column("request", String(32), nullable=False),
    Column("status", Integer),
    sqlite_autoincrement=True,  # the oldest go, and their numbers with them
)
"""What was written through the control plane; ``status`` is NULL while there is no answer."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("who", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("time", Float, nullable=False),
    Column("status", Integer),
    Column("answer", LargeBinary),
)
"""Requests with a key of their asker's, so that a repeated one gets the same answer; ``request`` is
a SHA-256 of what was asked, ``status`` is NULL while the first is under way."""

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)
"""Counters: ``version`` of nodes and groups; ``events`` and ``log`` are of older versions."""
