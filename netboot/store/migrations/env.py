"""Alembic's entry: it runs in the transaction ``netboot.store.database`` has begun."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # SQLite can, so an upgrade happens whole or not at all
)
context.run_migrations()
