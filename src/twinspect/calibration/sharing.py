"""Which good images are learnt from, and which are held out to calibrate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.calibration.conformal import choose_rate
from twinspect.calibration.hold_out import check_folds, counts_to_hold_out
from twinspect.calibration.parts import count_parts
from twinspect.data.splits import hold_out, parts_by_category
from twinspect.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Kind
    from twinspect.data.samples import Sample

Shared = tuple[tuple["Sample", ...], tuple["Sample", ...]]
"""Images to learn from, and images held out."""


def share_images(
    kind: Kind, good: Sequence[Sample], own: Sequence[Sample], rate: float | None, seed: int
) -> Shared:
    """Share good images between training and calibration, all images of a part on one side.

    Args:
        kind: of the calibration.
        good: images to learn from, some of which may be held out.
        own: images that the data set sets apart for the calibration.
        rate: the false-alarm rate asked for, if any.
        seed: another seed holds out others.

    Returns:
        With ``cv`` all to learn from, and none held out.

    Raises:
        CalibrationError: too few for the rate, or for any.
    """
    if kind == "cv":
        check_folds(count_parts((*good, *own)), rate)
        return (*good, *own), ()
    if kind == "copies" and len(good) > 1:
        raise CalibrationError(
            f"all {len(good)} good images show one part; give images of at least 2 parts, or leave out which parts "
            "they show (column part)"
        )
    if own:
        choose_rate(count_parts(own), rate)
        return tuple(good), tuple(own)
    kept, held = hold_out(good, counts_to_hold_out(parts_by_category(good), rate), seed)
    return tuple(kept), tuple(held)
