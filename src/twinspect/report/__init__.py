"""What people look at: heat maps, and one page with everything that an evaluation computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinspect.report.evaluation_report import write_evaluation

__all__ = ["write_evaluation"]


def __getattr__(name: str) -> Any:
    """Import the page only where a page is written: drawing one heat map needs none of it."""
    if name == "write_evaluation":
        from twinspect.report.evaluation_report import write_evaluation  # noqa: PLC0415

        return write_evaluation
    raise AttributeError(f"module 'twinspect.report' has no attribute {name!r}")
