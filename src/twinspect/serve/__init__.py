"""Detectors over HTTP: score, search, give feedback, recalibrate. Needs the extra ``serve``; torch is optional."""

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
"""The modules that the extra ``serve`` installs."""


def check_installed() -> None:
    """Check that the extra ``serve`` is installed.

    Raises:
        MissingExtraError: one of its packages is missing; the message says what to type.
    """
    for module in MODULES:
        optional(module, "serve")
