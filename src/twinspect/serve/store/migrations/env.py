"""Alembic runs this file for every upgrade, inside the transaction that the module ``database`` began."""

from __future__ import annotations

from alembic import context

from twinspect.serve.store.schema import METADATA, VERSION_TABLE


def upgrade() -> None:
    """Run the migrations on the caller's connection, in the caller's transaction."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
    )
    context.run_migrations()


if hasattr(context, "config"):  # absent if the file is only imported, as when doctests are collected
    upgrade()
