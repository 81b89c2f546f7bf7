"""Heat maps, and the report of an evaluation as one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.report.evaluation_report import write_evaluation

__all__ = ["write_evaluation"]

# Drawing one heat map needs nothing of the page.
__getattr__ = lazy_names(__name__, {"twinspect.report.evaluation_report": ("write_evaluation",)})
