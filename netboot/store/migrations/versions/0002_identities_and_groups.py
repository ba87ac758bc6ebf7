"""Nodes are known by UUID, serial number and asset tag too; groups give by label."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen ``node`` where it stands: to copy the table would delete what refers to it."""
    op.add_column("node", sa.Column("given", sa.String(63)))
    op.execute("UPDATE node SET given = profile")
    op.drop_column("node", "profile")
    op.execute("ALTER TABLE node RENAME COLUMN given TO profile")
    for name, length in (("uuid", 36), ("serial", 64), ("asset_tag", 64)):
        op.add_column("node", sa.Column(name, sa.String(length)))
        op.create_index(f"node_by_{name}", "node", [name], unique=True)
    op.add_column("node", sa.Column("loader", sa.String(64)))
    op.create_table(
        "node_group",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("profile", sa.String(63)),
        sa.Column("vars", sa.JSON, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
    )
