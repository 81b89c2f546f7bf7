"""The PRO of single images, gathered while a test set is scored: the definition of many published numbers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.evaluation.metric_row import MetricRow, compute_row
from twinspect.metrics import aupro_of_image
from twinspect.metrics.definitions import MetricInputs, Need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.inference.results import ImageScore

NEEDS: Final[Need] = "masks of single images"


class ProByImage:
    """Gathers it by category."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, image: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        """Add an image with its map; one without a defect that is marked does not count."""
        if image.map is None or mask is None or not mask.any():
            return
        value = aupro_of_image(mask, image.map)
        if not np.isnan(value):
            self._values[image.sample.category].append(value)

    def rows(self) -> dict[str, MetricRow]:
        """Give the mean over the images of each category that has any."""
        nothing = np.empty(0)
        return {
            category: compute_row(
                (NEEDS,), MetricInputs(nothing > 0, nothing, pro_per_image=float(np.mean(values)))
            )
            for category, values in self._values.items()
        }
