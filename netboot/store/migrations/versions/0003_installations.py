"""A node's installation: how far it is, and which of those asked for it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """What is registered goes on as it was: it is installed when it boots from the network."""
    op.add_column(
        "node", sa.Column("state", sa.String(16), nullable=False, server_default="enrolled")
    )
    op.add_column("node", sa.Column("installation", _LONG, nullable=False, server_default="1"))
