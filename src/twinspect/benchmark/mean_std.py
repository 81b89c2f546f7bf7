"""The mean and standard deviation of a few runs, and how many there should be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

MISSING = "–"
"""What stands where no value is."""


@dataclass(frozen=True)
class MeanStd:
    """Values of runs that differ in their seed alone.

    Attributes:
        values: those there are.
        wanted: how many there should be.
    """

    values: tuple[float, ...]
    wanted: int

    @property
    def mean(self) -> float | None:
        """Their mean; ``None`` without values."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Their standard deviation, with n - 1 in the denominator; ``None`` of fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def words(self, factor: float = 1.0, decimals: int = 1) -> str:
        """Write mean and deviation, and how many values are missing.

        >>> Spread((0.981, 0.985), 3).words(100)
        '98.3 ± 0.3 (2 of 3)'
        """
        if self.mean is None:
            return f"{MISSING} (0 of {self.wanted})" if self.wanted else MISSING
        text = f"{factor * self.mean:.{decimals}f}"
        if self.deviation is not None:
            text += f" ± {factor * self.deviation:.{decimals}f}"
        return text if len(self.values) == self.wanted else f"{text} ({len(self.values)} of {self.wanted})"
