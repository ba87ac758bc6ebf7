"""A node's BMC, what it said of its machine, and what worked with machines of each model."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is registered has no BMC yet."""
    owner = sa.ForeignKey("node.name", ondelete="CASCADE")
    op.create_table(
        "bmc",
        sa.Column("node", sa.String(63), owner, primary_key=True),
        sa.Column("address", sa.String(512), nullable=False),
        sa.Column("user", sa.String(255)),
        sa.Column("source", sa.String(1024)),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("tls", sa.String(4200), nullable=False),
    )
    op.create_table(
        "bmc_rung",
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("target", sa.String(16), primary_key=True),
        sa.Column("rung", sa.String(32), nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
    )
    owner = sa.ForeignKey("node.name", ondelete="CASCADE")
    op.create_table(
        "hardware",
        sa.Column("node", sa.String(63), owner, primary_key=True),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
    )
