"""What was said over Redfish that a machine boots from, and what is in its virtual CD drive."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was said of what is registered."""
    owner = sa.ForeignKey("node.name", ondelete="CASCADE")
    op.create_table(
        "boot_once",
        sa.Column("node", sa.String(63), owner, primary_key=True),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("once", sa.Boolean, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("image", sa.String(2048)),
        sa.Column("power", sa.String(8), nullable=False),
    )
