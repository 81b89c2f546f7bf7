"""What is shown of a version: read from its model folder, without torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import read_model_record
from twinspect.calibration.conformal import Calibration, images_needed
from twinspect.calibration.detectability import Detectability
from twinspect.calibration.hold_out import MAX_SHARE
from twinspect.serve.products.training_data import photo_id

if TYPE_CHECKING:
    from pathlib import Path

RATES: Final = (0.05, 0.02, 0.01)
"""Promises that people ask for."""


def figures_of(model: Path) -> dict[str, Any]:
    """Return what is shown of a version, as plain JSON values.

    Raises:
        BundleError: the folder does not hold a model.
    """
    record = read_model_record(model)
    calibration = Calibration.from_record(record["calibration"])
    tried = record.get("detectability")
    found = Detectability.from_record(tried) if tried else None
    return {
        "method": record["method"],
        "weights_sha256": record["weights"]["sha256"],
        "learnt": record["data"].get("train", 0),
        "images": len(calibration.scores),
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
        "promise": calibration.promise(),
        "would_find": found.in_words(calibration) if found else None,
        "usable": not found.is_useless(calibration) if found else None,
        "comparison": (record.get("lineage") or {}).get("comparison"),
        "held_out": sorted(held_out_photos(calibration)),
    }


def held_out_photos(calibration: Calibration) -> set[int]:
    """Return the ids of the photos that the threshold was set with and that nothing was learnt from."""
    if calibration.kind != "split":
        return set()
    return {number for name in calibration.names if (number := photo_id(name)) is not None}


def photos_needed(rate: float) -> int:
    """Return how many good photos a training needs in all to promise a rate, since a part of them is held out."""
    return math.ceil(images_needed(rate) / MAX_SHARE)
