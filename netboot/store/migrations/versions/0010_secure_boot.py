"""Nodes whose firmware starts only what is signed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No node was known to be one."""
    secure_boot = sa.Column("secure_boot", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("node", secure_boot)
