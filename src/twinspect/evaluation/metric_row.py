"""Rows of metrics, in which an undefined metric is ``None``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinspect.metrics.definitions import METRIC_TABLE, MetricInputs, Need

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MetricRow = dict[str, float | None]
"""Metrics by their keys."""


def compute_row(needs: Collection[Need], inputs: MetricInputs) -> MetricRow:
    """Compute every metric that needs one of these."""
    return {m.key: defined(m.compute(inputs)) for m in METRIC_TABLE if m.needs in needs}


def defined(value: float) -> float | None:
    """Turn NaN, which marks an undefined metric, into ``None``."""
    return None if np.isnan(value) else float(value)


def mean(values: Iterable[float | None]) -> float | None:
    """Average the defined values; ``None`` without any."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def mean_row(rows: Sequence[MetricRow]) -> MetricRow:
    """Average each metric over the rows in which it is defined.

    >>> mean_row([{"a": 1.0, "b": None}, {"a": 0.5, "b": None}, {"a": None}])
    {'a': 0.75, 'b': None}
    """
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: mean([row.get(key) for row in rows]) for key in keys}
