"""What another false-alarm rate would have decided, on images that were scored already; nothing is changed."""

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
    """What a rate would have decided.

    Attributes:
        false_alarm_rate: the rate.
        threshold: the pooled one.
        thresholds: of categories that have one of their own.
        images: how many scored images were looked at.
        anomalous_recent: how many of them would be called anomalous.
        changed: ids of those that would be decided otherwise than they were, in the order given.
        confirmed_good: how many of them people called good.
        false_alarms_among_confirmed_good: how many of these would be called anomalous.
        confirmed_defects: how many of them people called a defect.
        missed_among_confirmed_defects: how many of these would not be called anomalous.
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
    """Decide anew about scored images.

    Args:
        calibration: what decides now.
        rate: the false-alarm rate to try.
        ids: N, of the images.
        scores: (N,) raw.
        is_anomalous: (N,) as it was decided.
        verdicts: N; ``good``, ``defect`` or anything else.
        categories: N; empty where none was given.

    Raises:
        CalibrationError: the calibration's images cannot promise that rate.
        ConfigError: no rate.
    """
    tried = replace(calibration, false_alarm_rate=check_rate(rate))
    raw = np.asarray(scores, dtype=np.float64)
    decided = decisions(tried, raw, categories)
    said = np.array([verdict or "" for verdict in verdicts], dtype=str)
    changed = decided != np.asarray(is_anomalous, dtype=np.bool_)
    return WhatIf(
        false_alarm_rate=rate,
        threshold=tried.threshold,
        thresholds={name: own.threshold for name, own in tried.by_category.items()},
        images=len(raw),
        anomalous_recent=int(decided.sum()),
        changed=tuple(int(each) for each, differs in zip(ids, changed, strict=True) if differs),
        confirmed_good=int((said == "good").sum()),
        false_alarms_among_confirmed_good=int((decided & (said == "good")).sum()),
        confirmed_defects=int((said == "defect").sum()),
        missed_among_confirmed_defects=int((~decided & (said == "defect")).sum()),
    )
