"""The mean and standard deviation of a few runs, and how many runs there should be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

MISSING = "–"
"""Shown in place of a missing value."""


@dataclass(frozen=True)
class MeanStd:
    """Values of runs that differ in their seed alone.

    Attributes:
        values: those of the runs that are done.
        expected: how many there should be.
    """

    values: tuple[float, ...]
    expected: int

    @property
    def mean(self) -> float | None:
        """Their mean; ``None`` without values."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Their standard deviation, with n - 1 in the denominator; ``None`` of fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def format(self, factor: float = 1.0, decimals: int = 1) -> str:
        """Write mean and deviation, and how many values there are if some are missing.

        >>> MeanStd((0.981, 0.985), 3).format(100)
        '98.3 ± 0.3 (2 of 3)'
        """
        if self.mean is None:
            return f"{MISSING} (0 of {self.expected})" if self.expected else MISSING
        text = f"{factor * self.mean:.{decimals}f}"
        if self.deviation is not None:
            text += f" ± {factor * self.deviation:.{decimals}f}"
        if len(self.values) != self.expected:
            text += f" ({len(self.values)} of {self.expected})"
        return text
