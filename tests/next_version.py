"""A control program of the next version of netboot, whose schema has one migration more."""

import shutil
import sys
import tempfile
from pathlib import Path

from netboot.control.__main__ import main
from netboot.store import database

NEXT = "9999"
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{NEXT}", "{database.HEAD}"


def upgrade():
    op.add_column("job", sa.Column("newer", sa.String(8), nullable=False, server_default=""))
    op.add_column("node", sa.Column("newer", sa.Integer, nullable=False, server_default="1"))
    op.create_table("newer", sa.Column("name", sa.String(63), primary_key=True))
"""

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        migrations = Path(made) / "migrations"
        shutil.copytree(database.MIGRATIONS, migrations)
        (migrations / "versions" / f"{NEXT}_newer.py").write_text(MIGRATION)
        database.MIGRATIONS = migrations
        database.REVISIONS = (*database.REVISIONS, NEXT)
        database.HEAD = NEXT
        sys.exit(main())
