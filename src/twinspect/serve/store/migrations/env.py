"""Alembic runs this file for every upgrade, inside the transaction that :mod:`opening` began."""

from __future__ import annotations

from alembic import context

from twinspect.serve.store.schema import METADATA, VERSION_TABLE


def upgrade() -> None:
    """Run the steps on the connection at hand; that it is one transaction is the caller's business."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
    )
    context.run_migrations()


if hasattr(context, "config"):  # absent where the file is only imported, as by a collection of examples
    upgrade()
