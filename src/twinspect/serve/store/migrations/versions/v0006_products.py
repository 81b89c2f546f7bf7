"""Products: their photos, trainings and versions, and what versions on trial say."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_SHA256 = sa.String(64)


def upgrade() -> None:
    """Make the tables."""
    _products()
    _photos()
    _jobs()
    _versions()
    _shadow_scores()


def _products() -> None:
    op.create_table(
        "products",
        _key(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("region", sa.JSON),
        sa.Column("active_version", sa.Integer),
        sa.Column("shadow_version", sa.Integer),
        sa.Column("hidden_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("name", name="uq_products_name"),
    )


def _photos() -> None:
    op.create_table(
        "photos",
        _key(),
        sa.Column("product_id", _ID, nullable=False),
        sa.Column("image_sha256", _SHA256, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("inspection_id", _ID),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_photos"),
        _foreign("photos", "product_id", "products.id"),
        _foreign("photos", "image_sha256", "images.sha256"),
        _foreign("photos", "inspection_id", "inspections.id"),
        sa.UniqueConstraint("product_id", "image_sha256", name="uq_photos_product_id_image_sha256"),
        _one_of("photos", "role", "good", "defect"),
        _one_of("photos", "origin", "upload", "inspection", "demo"),
    )
    _index("photos", "product_id", "role", "id")
    _index("photos", "image_sha256")


def _jobs() -> None:
    op.create_table(
        "jobs",
        _key(),
        sa.Column("product_id", _ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("minutes", sa.Double),
        sa.Column("version", sa.Integer),
        sa.Column("parent", sa.Integer),
        sa.Column("target", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("started_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("process", sa.JSON),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        _foreign("jobs", "product_id", "products.id"),
        _one_of("jobs", "kind", "fit", "update", "export"),
        _one_of("jobs", "state", "waiting", "running", "paused", "done", "failed", "cancelled"),
        _one_of("jobs", "asked", "run", "pause", "cancel"),
    )
    _index("jobs", "product_id", "id")
    _index("jobs", "state", "id")


def _versions() -> None:
    op.create_table(
        "versions",
        _key(),
        sa.Column("product_id", _ID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Integer),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("weights_sha256", _SHA256, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        _foreign("versions", "product_id", "products.id"),
        _foreign("versions", "job_id", "jobs.id"),
        sa.UniqueConstraint("product_id", "number", name="uq_versions_product_id_number"),
        _one_of("versions", "kind", "fit", "update"),
    )


def _shadow_scores() -> None:
    op.create_table(
        "shadow_scores",
        _key(),
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("scored_at", _MOMENT, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("p_value", sa.Double, nullable=False),
        sa.Column("is_anomalous", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_scores"),
        _foreign("shadow_scores", "inspection_id", "inspections.id"),
        _foreign("shadow_scores", "version_id", "versions.id"),
        sa.UniqueConstraint("version_id", "inspection_id", name="uq_shadow_scores_version_id_inspection_id"),
    )


def _key() -> sa.Column[Any]:
    return sa.Column("id", _ID, nullable=False)


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(map(repr, values))
    return sa.CheckConstraint(f"{column} in ({allowed})", name=op.f(f"ck_{table}_{column}"))


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
