"""The lines of installers' logs have bounds of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No line was kept before."""
    for name, condition in (
        ("event_of_a_boot", "kind <> 'syslog'"),
        ("event_of_a_log", "kind = 'syslog'"),
    ):
        where = sa.text(condition)
        op.create_index(name, "event", ["mac", "id"], sqlite_where=where, postgresql_where=where)
    meta = sa.table("meta", sa.column("name"), sa.column("value"))
    op.bulk_insert(meta, [{"name": "log", "value": 0}])
