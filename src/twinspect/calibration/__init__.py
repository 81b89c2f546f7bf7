"""Thresholds with a stated false-alarm rate, from good images alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.calibration.conformal import (
        MAX_DEFAULT_RATE,
        Calibration,
        check_kind,
        check_promise,
        check_rate,
        choose_rate,
        choose_rate_for_categories,
        exact_fraction,
        images_needed,
        smallest_rate,
    )
    from twinspect.calibration.hold_out import (
        DEFAULT_RATE,
        DEFAULT_SHARE,
        FOLDS,
        MAX_DEFAULT_COUNT,
        MAX_SHARE,
        check_folds,
        count_to_hold_out,
        counts_to_hold_out,
    )

__all__ = [
    "DEFAULT_RATE",
    "DEFAULT_SHARE",
    "FOLDS",
    "MAX_DEFAULT_COUNT",
    "MAX_DEFAULT_RATE",
    "MAX_SHARE",
    "Calibration",
    "check_folds",
    "check_kind",
    "check_promise",
    "check_rate",
    "choose_rate",
    "choose_rate_for_categories",
    "count_to_hold_out",
    "counts_to_hold_out",
    "exact_fraction",
    "images_needed",
    "smallest_rate",
]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.calibration.conformal": (
            "MAX_DEFAULT_RATE",
            "Calibration",
            "check_kind",
            "check_promise",
            "check_rate",
            "choose_rate",
            "choose_rate_for_categories",
            "exact_fraction",
            "images_needed",
            "smallest_rate",
        ),
        "twinspect.calibration.hold_out": (
            "FOLDS",
            "MAX_SHARE",
            "MAX_DEFAULT_COUNT",
            "DEFAULT_RATE",
            "DEFAULT_SHARE",
            "check_folds",
            "count_to_hold_out",
            "counts_to_hold_out",
        ),
    },
)
