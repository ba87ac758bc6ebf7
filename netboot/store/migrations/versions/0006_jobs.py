"""Jobs, who may speak to a BMC, and where a node's state came from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Every node stays in its state; one that is being installed has no job for it."""
    op.add_column("node", sa.Column("came_from", sa.String(16)))
    op.add_column("node", sa.Column("because", sa.String(500), nullable=False, server_default=""))
    op.create_table(
        "job",
        sa.Column("id", _LONG, primary_key=True),
        sa.Column("node", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asker", sa.String(255), nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("installation", _LONG, nullable=False),
        sa.Column("stage", sa.String(63), nullable=False),
        sa.Column("waits_for", sa.String(500), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("deadline", sa.Float),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(1000), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("woken", sa.Boolean, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("lease", sa.Float, nullable=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.String(255)),
        sa.Column("holds", sa.String(80)),
        sa.Column("touched", sa.Boolean, nullable=False),
        sa.Column("powered", sa.Float),
        sa.Column("heard", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("job_by_due", "job", ["ended", "due"])
    op.create_index("job_by_node", "job", ["node", "id"])
    op.create_index("job_by_key", "job", ["key"], unique=True)
    op.create_index("job_by_holds", "job", ["holds"], unique=True)
    op.create_table(
        "bmc_lock",
        sa.Column("key", sa.String(512), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("lease", sa.Float, nullable=False),
    )
