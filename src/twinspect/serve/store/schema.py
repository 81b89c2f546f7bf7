"""The tables. The database itself holds what must hold: what is unique, and what is never rewritten.

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

from twinspect.serve.store.text import spelt

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
"""Where a database says which step of the migrations it has reached."""


class Moment(TypeDecorator[datetime]):
    """A time in UTC: aware on both sides, also in SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, for nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time in the store needs a zone, got {value.isoformat()}")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Words(TypeDecorator[str]):
    """Text of any client or file system, such that both databases take it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as inherited
        """Spell out what cannot be kept."""
        return None if value is None else spelt(value)


def _id() -> Column[int]:
    # SQLite numbers rows by itself only where the type is spelt INTEGER; it holds 64 bits all the same.
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({', '.join(map(repr, values))})", name=column)


def _when(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Moment, nullable=nullable)


_SHA256: Final = String(64)

MODELS: Final = Table(
    "models",
    METADATA,
    _id(),
    Column("name", Words, nullable=False, unique=True),
    Column("path", Words, nullable=False),
    Column("weights_sha256", _SHA256, nullable=False),
    Column("method", Words, nullable=False),
    Column("runtime", Words, nullable=False),
    _when("added_at"),
)

CALIBRATIONS: Final = Table(
    "calibrations",
    METADATA,
    _id(),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("weights_sha256", _SHA256, nullable=False),
    _when("created_at"),
    Column("created_by", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("source", Text, nullable=False),
    Column("parent_id", ForeignKey("calibrations.id")),
    Column("record", JSON, nullable=False),
    _one_of("source", "bundle", "confirmed", "rate", "rollback"),
    Index(None, "model_id", "weights_sha256", "id"),
)
"""The newest row of a model's weights is the active one: nothing says so anywhere else, so nothing can disagree."""

IMAGES: Final = Table(
    "images",
    METADATA,
    Column("sha256", _SHA256, primary_key=True),
    Column("suffix", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    _when("stored_at"),
    _when("used_at"),
    _when("removed_at", nullable=True),
    Index(None, "removed_at", "used_at"),
)
"""``used_at`` is when the image was last accepted: retention goes by it."""

INSPECTIONS: Final = Table(
    "inspections",
    METADATA,
    _id(),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("image_sha256", ForeignKey("images.sha256"), nullable=False),
    Column("name", Words, nullable=False),
    Column("category", Words, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_key", Words),
    Column("state", Text, nullable=False),
    _when("accepted_at"),
    _when("scored_at", nullable=True),
    Column("weights_sha256", _SHA256),
    Column("calibration_id", ForeignKey("calibrations.id")),
    Column("score", Double),
    Column("p_value", Double),
    Column("is_anomalous", Boolean),
    Column("milliseconds", Double),
    Column("error", Words),
    Column("looks", JSON(none_as_null=True)),
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
    Column("comment", Words, nullable=False),
    _when("created_at"),
    Column("created_by", Words, nullable=False),
    _one_of("verdict", "good", "defect", "unsure"),
    Index(None, "inspection_id", "id"),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _id(),
    _when("at"),
    Column("who", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("model_id", ForeignKey("models.id")),
    Column("details", JSON, nullable=False),
    Column("reason", Words, nullable=False),
    Index(None, "model_id", "id"),
)
