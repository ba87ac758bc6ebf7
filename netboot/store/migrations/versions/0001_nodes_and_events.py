"""Nodes with their addresses and labels, and the timeline."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "node",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("profile", sa.String(63), nullable=False),
        sa.Column("vars", sa.JSON, nullable=False),
    )
    owner = sa.ForeignKey("node.name", ondelete="CASCADE")
    op.create_table(
        "mac",
        sa.Column("mac", sa.String(17), primary_key=True),
        sa.Column("node", sa.String(63), owner, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_index("mac_by_node", "mac", ["node"])
    owner = sa.ForeignKey("node.name", ondelete="CASCADE")
    op.create_table(
        "label",
        sa.Column("node", sa.String(63), owner, primary_key=True),
        sa.Column("key", sa.String(63), primary_key=True),
        sa.Column("value", sa.String(63), nullable=False),
    )
    op.create_index("label_by_key", "label", ["key", "value"])
    _make_timeline()
    counters = op.create_table(
        "meta",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
    rows = [{"name": "version", "value": 0}, {"name": "events", "value": 0}]
    op.bulk_insert(counters, rows)


def _make_timeline() -> None:
    op.create_table(
        "event",
        sa.Column("id", _LONG, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("mac", sa.String(17)),
        sa.Column("node", sa.String(63)),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    for column in ("node", "mac", "kind"):
        op.create_index(f"event_by_{column}", "event", [column, "id"])
    op.create_table(
        "origin",
        sa.Column("instance", sa.String(64), primary_key=True),
        sa.Column("seq", _LONG, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
    )
