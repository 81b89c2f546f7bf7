"""Thresholds with a stated false-alarm rate, from good images alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.calibration.conformal import (
        HIGHEST_UNASKED,
        Calibration,
        check_kind,
        check_promise,
        check_rate,
        choose_rate,
        choose_rate_of,
        exact,
        images_needed,
        smallest_rate,
    )
    from twinspect.calibration.hold_out import (
        FOLDS,
        LARGEST_SHARE,
        STRICTEST_UNASKED,
        USUAL_RATE,
        USUAL_SHARE,
        check_folds,
        count_to_hold_out,
        counts_to_hold_out,
    )

__all__ = [
    "FOLDS",
    "HIGHEST_UNASKED",
    "LARGEST_SHARE",
    "STRICTEST_UNASKED",
    "USUAL_RATE",
    "USUAL_SHARE",
    "Calibration",
    "check_folds",
    "check_kind",
    "check_promise",
    "check_rate",
    "choose_rate",
    "choose_rate_of",
    "count_to_hold_out",
    "counts_to_hold_out",
    "exact",
    "images_needed",
    "smallest_rate",
]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.calibration.conformal": (
            "HIGHEST_UNASKED",
            "Calibration",
            "check_kind",
            "check_promise",
            "check_rate",
            "choose_rate",
            "choose_rate_of",
            "exact",
            "images_needed",
            "smallest_rate",
        ),
        "twinspect.calibration.hold_out": (
            "FOLDS",
            "LARGEST_SHARE",
            "STRICTEST_UNASKED",
            "USUAL_RATE",
            "USUAL_SHARE",
            "check_folds",
            "count_to_hold_out",
            "counts_to_hold_out",
        ),
    },
)
