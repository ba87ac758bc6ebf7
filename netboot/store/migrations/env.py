"""Alembic's entry: it runs in the transaction ``netboot.store.database`` has begun."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    transactional_ddl=True,  # both databases can, so an upgrade happens whole or not at all
)
context.run_migrations()
if connection.dialect.name == "postgresql":
    from netboot.store.postgresql import compare_by_bytes

    compare_by_bytes(connection)
