"""What another false-alarm rate would have decided on images that are scored already; nothing is changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.calibration.conformal import check_rate
from twinspect.serve.store.recalibration import decisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from twinspect.calibration.conformal import Calibration


@dataclass(frozen=True)
class WhatIf:
    """The decisions of another false-alarm rate.

    Attributes:
        false_alarm_rate: the rate.
        threshold: the pooled one.
        thresholds: of categories that have their own.
        images: how many scored images were considered.
        anomalous_recent: how many of them would be anomalous.
        changed: ids of those whose decision would change, in the order given.
        confirmed_good: how many of them have the verdict good.
        false_alarms_among_confirmed_good: how many of these would be anomalous.
        confirmed_defects: how many of them have the verdict defect.
        missed_among_confirmed_defects: how many of these would not be anomalous.
    """

    false_alarm_rate: float
    threshold: float
    thresholds: dict[str, float]
    images: int
    anomalous_recent: int
    changed: tuple[int, ...]
    confirmed_good: int
    false_alarms_among_confirmed_good: int
    confirmed_defects: int
    missed_among_confirmed_defects: int

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "changed": list(self.changed)}


def what_if(
    calibration: Calibration,
    rate: float,
    *,
    ids: Sequence[int] | NDArray[np.int64],
    scores: ArrayLike,
    is_anomalous: ArrayLike,
    verdicts: Sequence[str | None],
    categories: Sequence[str],
) -> WhatIf:
    """Decide scored images by another false-alarm rate.

    Args:
        calibration: the active one.
        rate: the false-alarm rate to try.
        ids: N, of the images.
        scores: (N,) raw.
        is_anomalous: (N,) as decided then.
        verdicts: N; ``good``, ``defect`` or anything else.
        categories: N; empty where none was given.

    Raises:
        CalibrationError: the calibration's images cannot promise that rate.
        ConfigError: the rate is not between 0 and 1.
    """
    tried = replace(calibration, false_alarm_rate=check_rate(rate))
    raw = np.asarray(scores, dtype=np.float64)
    decided = decisions(tried, raw, categories)
    known = np.array([verdict or "" for verdict in verdicts], dtype=str)
    changed = decided != np.asarray(is_anomalous, dtype=np.bool_)
    return WhatIf(
        false_alarm_rate=rate,
        threshold=tried.threshold,
        thresholds={name: category.threshold for name, category in tried.by_category.items()},
        images=len(raw),
        anomalous_recent=int(decided.sum()),
        changed=tuple(int(number) for number, differs in zip(ids, changed, strict=True) if differs),
        confirmed_good=int((known == "good").sum()),
        false_alarms_among_confirmed_good=int((decided & (known == "good")).sum()),
        confirmed_defects=int((known == "defect").sum()),
        missed_among_confirmed_defects=int((~decided & (known == "defect")).sum()),
    )
