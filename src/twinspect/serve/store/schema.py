"""The tables. The database itself enforces what is unique and what is never rewritten.

A change here needs a step in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from twinspect.serve.store.text import storable_text

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


VERSION_TABLE: Final = "twinspect_version"
"""The table that says which migration a database has reached."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC with its zone, also in SQLite, which stores none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, which is ambiguous."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time in the store needs a zone, got {value.isoformat()}")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Mark the time as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class AnyText(TypeDecorator[str]):
    """Text of any client or file system, escaped so that both databases accept it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as inherited
        """Escape what cannot be stored."""
        return None if value is None else storable_text(value)


def _id() -> Column[int]:
    # SQLite numbers rows by itself only if the type is called INTEGER, which holds 64 bits all the same.
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({', '.join(map(repr, values))})", name=column)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, UtcDateTime, nullable=nullable)


_SHA256: Final = String(64)

MODELS: Final = Table(
    "models",
    METADATA,
    _id(),
    Column("name", AnyText, nullable=False, unique=True),
    Column("path", AnyText, nullable=False),
    Column("weights_sha256", _SHA256, nullable=False),
    Column("method", AnyText, nullable=False),
    Column("runtime", AnyText, nullable=False),
    _time("added_at"),
)

CALIBRATIONS: Final = Table(
    "calibrations",
    METADATA,
    _id(),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("weights_sha256", _SHA256, nullable=False),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("source", Text, nullable=False),
    Column("parent_id", ForeignKey("calibrations.id")),
    Column("record", JSON, nullable=False),
    _one_of("source", "bundle", "confirmed", "rate", "rollback"),
    Index(None, "model_id", "weights_sha256", "id"),
)
"""The newest row of a model's weights is the active one; this is stored nowhere else, so nothing contradicts it."""

IMAGES: Final = Table(
    "images",
    METADATA,
    Column("sha256", _SHA256, primary_key=True),
    Column("suffix", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    _time("stored_at"),
    _time("used_at"),
    _time("removed_at", nullable=True),
    Index(None, "removed_at", "used_at"),
)
"""``used_at`` is when the image was last accepted: retention goes by it."""

INSPECTIONS: Final = Table(
    "inspections",
    METADATA,
    _id(),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("image_sha256", ForeignKey("images.sha256"), nullable=False),
    Column("name", AnyText, nullable=False),
    Column("category", AnyText, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_key", AnyText),
    Column("state", Text, nullable=False),
    _time("accepted_at"),
    _time("scored_at", nullable=True),
    Column("weights_sha256", _SHA256),
    Column("calibration_id", ForeignKey("calibrations.id")),
    Column("score", Double),
    Column("p_value", Double),
    Column("is_anomalous", Boolean),
    Column("milliseconds", Double),
    Column("error", AnyText),
    Column("looks", JSON(none_as_null=True), key="statistics"),
    Column("not_inspectable", Text),
    Column("notice", Text),
    Column("regions", JSON(none_as_null=True)),
    UniqueConstraint("model_id", "source_key"),
    _one_of("source", "api", "web", "watch"),
    _one_of("state", "queued", "done", "failed"),
    Index(None, "model_id", "state", "id"),
    Index(None, "model_id", "weights_sha256", "scored_at", "id"),
    Index(None, "image_sha256", "state"),
    Index(None, "accepted_at"),
)

FEEDBACK: Final = Table(
    "feedback",
    METADATA,
    _id(),
    Column("inspection_id", ForeignKey("inspections.id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("comment", AnyText, nullable=False),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    Column("region", JSON(none_as_null=True)),
    _one_of("verdict", "good", "defect", "unsure"),
    Index(None, "inspection_id", "id"),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _id(),
    _time("at"),
    Column("who", AnyText, nullable=False),
    Column("action", AnyText, nullable=False),
    Column("model_id", ForeignKey("models.id")),
    Column("details", JSON, nullable=False),
    Column("reason", AnyText, nullable=False),
    Index(None, "model_id", "id"),
)

PRODUCTS: Final = Table(
    "products",
    METADATA,
    _id(),
    Column("name", AnyText, nullable=False, unique=True),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    Column("region", JSON(none_as_null=True)),
    Column("active_version", Integer),
    Column("shadow_version", Integer),
    _time("hidden_at", nullable=True),
)
"""What is inspected. Its name is that of the served model; versions are told by their numbers."""

PHOTOS: Final = Table(
    "photos",
    METADATA,
    _id(),
    Column("product_id", ForeignKey("products.id"), nullable=False),
    Column("image_sha256", ForeignKey("images.sha256"), nullable=False),
    Column("name", AnyText, nullable=False),
    Column("role", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("inspection_id", ForeignKey("inspections.id")),
    _time("added_at"),
    Column("added_by", AnyText, nullable=False),
    UniqueConstraint("product_id", "image_sha256"),
    _one_of("role", "good", "defect"),
    _one_of("origin", "upload", "inspection", "demo"),
    Index(None, "product_id", "role", "id"),
    Index(None, "image_sha256"),
)
"""Images that a product is learnt from or tested with; retention leaves them alone."""

JOBS: Final = Table(
    "jobs",
    METADATA,
    _id(),
    Column("product_id", ForeignKey("products.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("minutes", Double),
    Column("version", Integer),
    Column("parent", Integer),
    Column("target", Text),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    _time("started_at", nullable=True),
    _time("ended_at", nullable=True),
    Column("process", JSON(none_as_null=True)),
    Column("error", AnyText),
    _one_of("kind", "fit", "update", "export"),
    _one_of("state", "waiting", "running", "paused", "done", "failed", "cancelled"),
    _one_of("asked", "run", "pause", "cancel"),
    Index(None, "product_id", "id"),
    Index(None, "state", "id"),
)
"""Trainings and exports, one child process at a time; ``asked`` is what a person wants of one that is under way."""

VERSIONS: Final = Table(
    "versions",
    METADATA,
    _id(),
    Column("product_id", ForeignKey("products.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Integer),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    Column("weights_sha256", _SHA256, nullable=False),
    Column("figures", JSON, nullable=False),
    UniqueConstraint("product_id", "number"),
    _one_of("kind", "fit", "update"),
)

SHADOW_SCORES: Final = Table(
    "shadow_scores",
    METADATA,
    _id(),
    Column("inspection_id", ForeignKey("inspections.id"), nullable=False),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    _time("scored_at"),
    Column("score", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("p_value", Double, nullable=False),
    Column("is_anomalous", Boolean, nullable=False),
    UniqueConstraint("version_id", "inspection_id"),
)
"""What a version that decides nothing says of images that another one decided on."""

SINKS: Final = Table(
    "sinks",
    METADATA,
    _id(),
    Column("model", AnyText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("results", Text, nullable=False),
    Column("per_second", Double),
    Column("enabled", Boolean, nullable=False),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    _time("removed_at", nullable=True),
    _one_of("kind", "webhook", "mqtt", "folder"),
    _one_of("results", "all", "anomalous"),
    Index(None, "model"),
)
"""Where results go; ``model`` is a name, since a sink may be set up before the product has a model."""

DELIVERIES: Final = Table(
    "deliveries",
    METADATA,
    _id(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("sink_id", ForeignKey("sinks.id"), nullable=False),
    Column("inspection_id", ForeignKey("inspections.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    _time("waiting_since"),
    _time("next_at"),
    _time("sent_at", nullable=True),
    Column("error", AnyText),
    UniqueConstraint("sink_id", "inspection_id"),
    _one_of("state", "waiting", "sent", "given_up"),
    Index(None, "sink_id", "state", "id"),
)
"""The outbox: a row is written in the transaction of the result itself, so no kill can part the two."""

SOURCES: Final = Table(
    "sources",
    METADATA,
    _id(),
    Column("model", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("category", AnyText, nullable=False),
    Column("interval", Double),
    Column("paused", Boolean, nullable=False),
    _time("created_at"),
    Column("created_by", AnyText, nullable=False),
    _time("removed_at", nullable=True),
    _one_of("kind", "folder", "usb", "rtsp"),
    Index(None, "model"),
)
"""Where images come from; without an ``interval`` in seconds, only when one is asked for."""
