"""Metrics of a labelled test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.evaluation.evaluation import METRICS, Evaluation, Intervals, evaluate

__all__ = ["METRICS", "Evaluation", "Intervals", "evaluate"]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.evaluation.evaluation": (
            "METRICS",
            "Evaluation",
            "Intervals",
            "evaluate",
        ),
    },
)
