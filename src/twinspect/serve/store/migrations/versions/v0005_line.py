"""Where images come from and results go, and the outbox of what is to be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _sinks()
    _deliveries()
    _sources()


def _sinks() -> None:
    op.create_table(
        "sinks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("secrets", sa.JSON, nullable=False),
        sa.Column("results", sa.Text, nullable=False),
        sa.Column("per_second", sa.Double),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("removed_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sinks"),
        sa.CheckConstraint("kind in ('webhook', 'mqtt', 'folder')", name=op.f("ck_sinks_kind")),
        sa.CheckConstraint("results in ('all', 'anomalous')", name=op.f("ck_sinks_results")),
    )
    op.create_index("ix_sinks_model", "sinks", ["model"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("sink_id", _ID, nullable=False),
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("waiting_since", _MOMENT, nullable=False),
        sa.Column("next_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("uuid", name="uq_deliveries_uuid"),
        sa.UniqueConstraint("sink_id", "inspection_id", name="uq_deliveries_sink_id_inspection_id"),
        sa.ForeignKeyConstraint(["sink_id"], ["sinks.id"], name="fk_deliveries_sink_id"),
        sa.ForeignKeyConstraint(["inspection_id"], ["inspections.id"], name="fk_deliveries_inspection_id"),
        sa.CheckConstraint("state in ('waiting', 'sent', 'given_up')", name=op.f("ck_deliveries_state")),
    )
    op.create_index("ix_deliveries_sink_id_state_id", "deliveries", ["sink_id", "state", "id"])


def _sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", _ID, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("secrets", sa.JSON, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("interval", sa.Double),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("removed_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.CheckConstraint("kind in ('folder', 'usb', 'rtsp')", name=op.f("ck_sources_kind")),
    )
    op.create_index("ix_sources_model", "sources", ["model"])
