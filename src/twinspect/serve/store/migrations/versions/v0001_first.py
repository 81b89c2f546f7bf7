"""The first tables; what was said, decided and done can be added to, never rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEPT = ("calibrations", "feedback", "audit")
"""Tables whose rows the database itself keeps as they are."""

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_SHA256 = sa.String(64)


def upgrade() -> None:
    """Make them."""
    _models()
    _calibrations()
    _images()
    _inspections()
    _feedback()
    _audit()
    for table in KEPT:
        _keep(table)


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("weights_sha256", _SHA256, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("runtime", sa.Text, nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("name", name="uq_models_name"),
    )


def _calibrations() -> None:
    op.create_table(
        "calibrations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("weights_sha256", _SHA256, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("parent_id", _ID),
        sa.Column("record", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calibrations"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_calibrations_model_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["calibrations.id"], name="fk_calibrations_parent_id"),
        sa.CheckConstraint(
            "source in ('bundle', 'confirmed', 'rate', 'rollback')", name="ck_calibrations_source"
        ),
    )
    _index("calibrations", "model_id", "weights_sha256", "id")


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("sha256", _SHA256, nullable=False),
        sa.Column("suffix", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("stored_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=False),
        sa.Column("removed_at", _MOMENT),
        sa.PrimaryKeyConstraint("sha256", name="pk_images"),
    )
    _index("images", "removed_at", "used_at")


def _inspections() -> None:
    op.create_table(
        "inspections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("image_sha256", _SHA256, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_key", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("accepted_at", _MOMENT, nullable=False),
        sa.Column("scored_at", _MOMENT),
        sa.Column("weights_sha256", _SHA256),
        sa.Column("calibration_id", _ID),
        sa.Column("score", sa.Double),
        sa.Column("p_value", sa.Double),
        sa.Column("is_anomalous", sa.Boolean),
        sa.Column("milliseconds", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("looks", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_inspections"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_inspections_model_id"),
        sa.ForeignKeyConstraint(["image_sha256"], ["images.sha256"], name="fk_inspections_image_sha256"),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name="fk_inspections_calibration_id"
        ),
        sa.UniqueConstraint("model_id", "source_key", name="uq_inspections_model_id_source_key"),
        sa.CheckConstraint("source in ('api', 'web', 'watch')", name="ck_inspections_source"),
        sa.CheckConstraint("state in ('queued', 'done', 'failed')", name="ck_inspections_state"),
    )
    _index("inspections", "model_id", "state", "id")
    _index("inspections", "model_id", "weights_sha256", "scored_at", "id")
    _index("inspections", "image_sha256", "state")
    _index("inspections", "accepted_at")


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", _ID, nullable=False),
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.ForeignKeyConstraint(["inspection_id"], ["inspections.id"], name="fk_feedback_inspection_id"),
        sa.CheckConstraint("verdict in ('good', 'defect', 'unsure')", name="ck_feedback_verdict"),
    )
    _index("feedback", "inspection_id", "id")


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("model_id", _ID),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_audit_model_id"),
    )
    _index("audit", "model_id", "id")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _keep(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"create trigger keep_{table}_{change} before {change} on {table} "
                f"begin select raise(abort, 'rows of {table} are never changed'); end"
            )
        return
    op.execute(
        f"create function keep_{table}() returns trigger language plpgsql as "
        f"$$ begin raise exception 'rows of {table} are never changed'; end $$"
    )
    op.execute(
        f"create trigger keep_{table} before update or delete on {table} "
        f"for each row execute function keep_{table}()"
    )
