"""Alembic's entry: `core.store.migrate` hands it an open connection."""

from alembic import context

from core.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
