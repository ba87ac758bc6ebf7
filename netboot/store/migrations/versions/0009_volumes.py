"""iSCSI volumes, each attached to one node at most."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """There was none before."""
    op.create_table(
        "volume",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("target", sa.String(223), nullable=False),
        sa.Column("portal", sa.String(253), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("lun", sa.Integer, nullable=False),
        sa.Column("chap_user", sa.String(255), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("node", sa.String(63), sa.ForeignKey("node.name", ondelete="SET NULL")),
    )
    op.create_index("volume_by_node", "volume", ["node"], unique=True)
