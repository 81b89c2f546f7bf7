"""What is said of one image, and of one part: raw score, p-value and decision kept apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.images.quality import ImageQuality
    from twinspect.images.statistics import ImageStatistics
    from twinspect.regions.finding import FoundRegion


@dataclass(frozen=True)
class ImageScore:
    """What a detector says of one image: a raw score first, then the decision of a calibration.

    Attributes:
        sample: the image.
        score: raw score, finite and unbounded, higher is more anomalous; NaN where the image could not be read or the
            model gave no finite number.
        p_value: how rare such a score is among good images, in (0, 1]; NaN before a decision, and where the image
            could not be read.
        is_anomalous: whether the score lies above the calibrated threshold; false before a decision, and for an image
            that cannot be inspected.
        map: (H, W) float32 anomaly map at the image's own size; ``None`` if not asked for or not read.
        error: why the image has no score; empty if it has.
        statistics: brightness, sharpness and more of the image; ``None`` if not asked for or not read.
        quality: how the image was taken; ``None`` if not read.
        not_inspectable: why the image is neither good nor anomalous, such as "far darker than any good image"; empty
            if it can be inspected, before a decision, and where the image could not be read.
        perceptual_hash: nearly the same for copies of one picture; empty if not asked for or not read.
        notice: what to look at although the score is that of a good image: a map whose peak lies far above those of
            good images; empty if there is nothing, and before a decision.
        inside: (H, W) bool beside a map: the region of interest, outside of which nothing counts; ``None`` where the
            whole image is looked at.
        regions: what was found in the map, the highest peak first; nothing in an image that cannot be inspected.
            ``None`` if not looked for, without the peaks of good images' maps, and where the image was not read.
        unaligned: why it was scored as it is though images are aligned; empty if it was aligned or none is.
    """

    sample: Sample
    score: float
    p_value: float = math.nan
    is_anomalous: bool = False
    map: NDArray[np.float32] | None = field(default=None, repr=False)
    error: str = ""
    statistics: ImageStatistics | None = None
    quality: ImageQuality | None = None
    not_inspectable: str = ""
    perceptual_hash: bytes = field(default=b"", repr=False)
    notice: str = ""
    inside: NDArray[np.bool_] | None = field(default=None, repr=False)
    regions: tuple[FoundRegion, ...] | None = None
    unaligned: str = ""

    @property
    def counted(self) -> NDArray[np.float32] | None:
        """The map's values that count, those of its region, in one row; the map where all count; ``None`` without."""
        return self.map if self.map is None or self.inside is None else self.map[self.inside]

    @property
    def is_inspectable(self) -> bool:
        """Whether the image could be read and lies within what the good images' range allows."""
        return not (self.error or self.not_inspectable)


@dataclass(frozen=True)
class PartScore:
    """What a detector says of a part by all images that show it.

    Attributes:
        part: its name.
        category: the product.
        images: how many images show it.
        score: the highest raw score of its images, of the anomalous ones if any is; NaN without a score.
        p_value: how rare such a score is among good parts, in (0, 1]; NaN without a score.
        is_anomalous: whether one of its images is.
        is_inspectable: whether the decision stands: one image is anomalous, or all could be inspected.
        worst_image: the image with that score; empty without any.
        error: why a part is neither good nor anomalous, of the first image that could not be inspected.
    """

    part: str
    category: str
    images: int
    score: float
    p_value: float
    is_anomalous: bool
    is_inspectable: bool
    worst_image: str
    error: str

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values; what there is not is ``None``."""
        numbers = {
            name: None if math.isnan(value) else value
            for name, value in (("score", self.score), ("p_value", self.p_value))
        }
        return {**vars(self), **numbers}
