"""Where a person saw a defect; null where nobody drew it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("feedback", sa.Column("region", sa.JSON))
