"""Thresholds with a stated false-alarm rate, from good images alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.calibration.conformal import *  # noqa: F403
    from twinspect.calibration.hold_out import *  # noqa: F403

__getattr__ = public_names(__name__, "twinspect.calibration.conformal", "twinspect.calibration.hold_out")
