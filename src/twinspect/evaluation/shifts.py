"""What becomes of a detector's errors where cameras, lamps and parts change a little.

All test images, good and defective, are scored again under each of some changes that a production line sees sooner
or later. A change of the place or the angle moves defects out of their masks, so only images are judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twinspect.evaluation.image_scores import by_category, count_not_inspectable
from twinspect.evaluation.labelled_set import compute_metrics
from twinspect.evaluation.metric_row import mean_row
from twinspect.images.camera_changes import add_noise, blur, compress, move, scale_light
from twinspect.utils.progress import tracked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data import DataSet
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore


@dataclass(frozen=True)
class Shift:
    """One change of all test images.

    Attributes:
        name: what it is called in tables.
        definition: what is done to the pixels of an image at its own size, in words.
        change: does it, (H, W, 3) uint8 RGB to the same; ``None`` for images as they are.
        scale: what differs by degrees, if others of the same scale are tried.
        amount: how much of it.
    """

    name: str
    definition: str
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = field(default=None, repr=False)
    scale: str = ""
    amount: float = 0.0


BRIGHTNESS: Final = "brightness"
DISPLACEMENT: Final = "displacement"
UNCHANGED: Final = Shift("none", "images as they are")


def _brightness(percent: int) -> Shift:
    factor = 1 + percent / 100
    change = partial(scale_light, red=factor, green=factor, blue=factor)
    return Shift(f"brightness {percent:+} %", f"grey levels times {factor:g}", change, BRIGHTNESS, percent)


def _displacement(pixels: int) -> Shift:
    change = partial(move, down=pixels, right=pixels)
    words = f"{pixels} px to the right and {pixels} down; what comes into view is mirrored"
    return Shift(f"shift of {pixels} px", words, change, DISPLACEMENT, pixels)


SHIFTS: Final = (
    *(_brightness(percent) for percent in (-20, -10, 10, 20)),
    Shift("warm light", "red times 1.1, blue times 0.9", partial(scale_light, red=1.1, green=1.0, blue=0.9)),
    Shift("cool light", "red times 0.9, blue times 1.1", partial(scale_light, red=0.9, green=1.0, blue=1.1)),
    Shift("blur", "Gaussian blur, sigma 2 px", partial(blur, sigma=2.0)),
    Shift("noise", "Gaussian noise, sigma 8 of 255 grey levels", partial(add_noise, sigma=8.0)),
    Shift("JPEG 50", "saved as a JPEG of quality 50", partial(compress, quality=50)),
    *(_displacement(pixels) for pixels in (2, 8)),
    Shift(
        "rotation of 2°", "counter-clockwise; what comes into view is mirrored", partial(move, degrees=2.0)
    ),
)


@dataclass(frozen=True)
class ShiftResult:
    """The decisions on the test images under one change.

    Attributes:
        shift: the change.
        good: good images that were decided on.
        false_alarms: those of them that were flagged.
        defective: defective images that were decided on.
        misses: those of them that passed.
        not_inspectable: images, good and defective, on which nothing was decided.
        image_auroc: of the raw scores, the mean over the categories; ``None`` where it is undefined.
    """

    shift: Shift
    good: int
    false_alarms: int
    defective: int
    misses: int
    not_inspectable: int
    image_auroc: float | None

    @classmethod
    def of(cls, shift: Shift, rows: Sequence[ImageScore]) -> ShiftResult:
        """Count what was decided on the images of a test set."""
        good = [row.is_anomalous for row in rows if row.is_inspectable and row.sample.is_good]
        defective = [row.is_anomalous for row in rows if row.is_inspectable and not row.sample.is_good]
        categories = [compute_metrics(images, None) for images in by_category(rows).values()]
        return cls(
            shift,
            len(good),
            sum(good),
            len(defective),
            len(defective) - sum(defective),
            sum(count_not_inspectable(rows).values()),
            mean_row(categories)["image_auroc"],
        )

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "shift": self.shift.name,
            "definition": self.shift.definition,
            "good": self.good,
            "false_alarms": self.false_alarms,
            "defective": self.defective,
            "misses": self.misses,
            "not_inspectable": self.not_inspectable,
            "image_auroc": self.image_auroc,
        }


def evaluate_shifts(
    detector: BaseDetector, test: DataSet, unchanged: Sequence[ImageScore]
) -> tuple[ShiftResult, ...]:
    """Score a test set under every change.

    Args:
        detector: a fitted detector.
        test: the test set.
        unchanged: the results of its images as they are.

    Returns:
        First the result without a change, then one of each of :data:`SHIFTS`.
    """
    changed = [replace(sample, change=shift.change) for shift in SHIFTS for sample in test]
    scored = detector.stream(test.with_samples(changed), maps=False)
    rows = tracked(f"score under {len(SHIFTS)} shifts", scored, len(changed))
    results = [ShiftResult.of(shift, list(islice(rows, len(test)))) for shift in SHIFTS]
    return ShiftResult.of(UNCHANGED, unchanged), *results
