"""Lines of a table of metrics, in which what is not defined is ``None``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MetricRow = dict[str, float | None]
"""One line: its metrics by name."""


def defined(value: float) -> float | None:
    """Turn NaN, which says that a metric is undefined, into ``None``."""
    return None if np.isnan(value) else float(value)


def mean(values: Iterable[float | None]) -> float | None:
    """Average what is defined; ``None`` where nothing is."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def mean_row(lines: Sequence[MetricRow]) -> MetricRow:
    """Average each metric over the lines in which it is defined.

    >>> mean_line([{"a": 1.0, "b": None}, {"a": 0.5, "b": None}, {"a": None}])
    {'a': 0.75, 'b': None}
    """
    keys = dict.fromkeys(key for line in lines for key in line)
    return {key: mean([line.get(key) for line in lines]) for key in keys}
