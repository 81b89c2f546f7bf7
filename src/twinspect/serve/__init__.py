"""Detectors over HTTP: score, look back, give feedback, recalibrate. Needs the extra ``serve``; torch is optional."""

from __future__ import annotations

from typing import Final

from twinspect.errors import optional

__all__ = ["MODULES", "check_installed"]

MODULES: Final = (
    "sqlalchemy",
    "alembic",
    "fastapi",
    "uvicorn",
    "python_multipart",
    "prometheus_client",
    "cachetools",
)
"""What the extra ``serve`` brings, as modules."""


def check_installed() -> None:
    """Refuse to go on without the extra.

    Raises:
        MissingExtraError: one of its packages is not installed; says what to type.
    """
    for module in MODULES:
        optional(module, "serve")
