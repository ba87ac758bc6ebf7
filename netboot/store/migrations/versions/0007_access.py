"""Bearer tokens, logins made with them, the audit log, and the answers to repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Nobody has a token yet: the control program's next start makes the first."""
    op.create_table(
        "token",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float),
    )
    owner = sa.ForeignKey("token.name", ondelete="CASCADE")
    op.create_table(
        "login",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("token", sa.String(63), owner, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", _LONG, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("route", sa.String(128), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("request", sa.String(32), nullable=False),
        sa.Column("status", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("who", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.LargeBinary),
    )
