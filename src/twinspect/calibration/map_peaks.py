"""Where a map shows more than any good image's and the score does not: a notice beside the verdict, which stays.

The score of some methods is another number than the peak of their map. A small defect may then stand out in the map
of an image whose score is that of a good one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FAR: Final = 1.1
"""A peak is far above the good images' if it is this many times as far from a typical good pixel as their highest."""
FOLLOWS: Final = 0.99
"""From this correlation on, scores follow the peaks of maps: the threshold has decided on the peak already."""
_FEWEST: Final = 3


@dataclass(frozen=True)
class GoodPeaks:
    """The peaks of held-out good images' maps.

    Of n good images and a new one, each is as likely to have the highest peak. So the peak of a new good image lies
    above all of theirs with probability at most 1 / (n + 1), and less often :data:`FAR` above.

    Attributes:
        typical: the typical pixel of these maps.
        highest: the highest peak of all.
    """

    typical: float
    highest: float

    @property
    def limit(self) -> float:
        """The peak from which on a notice is given."""
        return self.typical + FAR * (self.highest - self.typical)

    def notice(self, peak: float) -> str:
        """Say that a peak lies far above the good images'; empty if it does not."""
        if peak <= self.limit:
            return ""
        times = (peak - self.typical) / ((self.highest - self.typical) or 1.0)
        return f"the map's peak is {times:.2g} times as high as any good image's, though the score is not"

    @classmethod
    def of(
        cls, scores: Sequence[float], typical: Sequence[float], highest: Sequence[float]
    ) -> GoodPeaks | None:
        """Take the peaks of good images; ``None`` where scores follow them, or there are too few to tell.

        Args:
            scores: (N,) raw scores.
            typical: (N,) the typical pixel of each map.
            highest: (N,) the peak of each map.
        """
        if len(scores) < _FEWEST or _correlation(scores, highest) >= FOLLOWS:
            return None
        return cls(float(np.median(typical)), max(highest))

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"typical": self.typical, "highest": self.highest}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> GoodPeaks:
        """Rebuild from :meth:`to_record`."""
        return cls(record["typical"], record["highest"])


def map_notice(peaks: GoodPeaks | None, anomaly_map: NDArray[np.float32] | None) -> str:
    """Say that a map's peak lies far above the good images'; empty if not, and where there is nothing to compare."""
    return peaks.notice(float(anomaly_map.max())) if peaks and anomaly_map is not None else ""


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Correlate two lists; constant ones follow anything."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 1.0
    return float(np.corrcoef(one, other)[0, 1])
