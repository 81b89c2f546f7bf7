"""How large a change must be to be noticed, which says what the absence of an alarm is worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

POWER: Final = 0.9
"""The probability with which a change of the stated size raises an alarm."""


def noticeable_shift(critical: float, sizes: Sequence[tuple[int, int]]) -> float | None:
    """Return the shift that raises an alarm in one quantity with a probability of about :data:`POWER`.

    For normal values whose location alone changes. The rank sum of m values among n others has the mean
    ``(P - 1/2) sqrt(12 m n / (m + n + 1))`` in its standard deviations, where P is the probability that a shifted
    value is above an unshifted one; that mean must exceed the critical value by the quantile of ``POWER``.

    Args:
        critical: what the statistic, a squared number of standard deviations, must exceed.
        sizes: numbers of reference images and of new ones, of each stratum.

    Returns:
        The shift in standard deviations of the values; ``None`` if not even the largest is noticed so often.
    """
    weight = sum(old * new / (old + new + 1) for old, new in sizes)
    if weight == 0:
        return None
    needed = math.sqrt(max(critical, 0.0)) + float(stats.norm.ppf(POWER))
    above = 0.5 + needed / math.sqrt(12 * weight)
    return None if above >= 1 else float(math.sqrt(2) * stats.norm.ppf(above))
