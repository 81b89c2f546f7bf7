"""The results of scoring: raw score, p-value and decision kept apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@dataclass(frozen=True)
class Scores:
    """What a detector says of N images, in the order they were given.

    Attributes:
        image: (N,) float32 raw scores, unbounded, higher is more anomalous; NaN where an image could not be read.
        map: the anomaly map of every image at that image's own size: (N, H, W) float32 where all images have one
            size, otherwise a list of N arrays (H_i, W_i). An unreadable image has an all-NaN map (in a list: of
            size 0 x 0). ``None`` if maps were not asked for.
        p_value: (N,) float64 in (0, 1], NaN where an image could not be read.
        is_anomalous: (N,) bool; false where an image cannot be inspected.
        paths: N file names.
        categories: N category names, empty strings where there are none.
        errors: N reasons why an image could not be read, empty strings where it could.
        is_inspectable: (N,) bool; false where an image is far darker, far brighter, of far less contrast or far less
            sharp than any good image, so that it is neither good nor anomalous, and where it could not be read.
        runtime: what scored: ``torch``, or the name of an export.
        regions: of every image what was found in its map, see :class:`.FoundRegion`; ``None`` for an image that could
            not be read. ``None`` in place of all if they were not asked for, and of a model without the peaks of good
            images' maps: one of an earlier version, or a joined one; calibrate it anew to have them.
        parts: a decision on each part that images say they show, see :class:`.PartScore`; nothing where none does.
    """

    image: NDArray[np.float32]
    map: NDArray[np.float32] | list[NDArray[np.float32]] | None = field(repr=False)
    p_value: NDArray[np.float64]
    is_anomalous: NDArray[np.bool_]
    paths: tuple[str, ...]
    categories: tuple[str, ...]
    errors: tuple[str, ...]
    is_inspectable: NDArray[np.bool_]
    runtime: str = "torch"
    regions: tuple[tuple[FoundRegion, ...] | None, ...] | None = None
    parts: tuple[PartScore, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def collect(
        cls,
        rows: Sequence[ImageScore],
        *,
        maps: bool = True,
        runtime: str = "torch",
        parts: Sequence[PartScore] = (),
    ) -> Scores:
        """Gather single results into arrays."""
        return cls(
            image=np.array([row.score for row in rows], dtype=np.float32),
            map=_stack([row.map for row in rows]) if maps else None,
            p_value=np.array([row.p_value for row in rows], dtype=np.float64),
            is_anomalous=np.array([row.is_anomalous for row in rows], dtype=np.bool_),
            paths=tuple(row.sample.address for row in rows),
            categories=tuple(row.sample.category for row in rows),
            errors=tuple(row.error for row in rows),
            is_inspectable=np.array([row.is_inspectable for row in rows], dtype=np.bool_),
            runtime=runtime,
            regions=tuple(row.regions for row in rows)
            if any(row.regions is not None for row in rows)
            else None,
            parts=tuple(parts),
        )


def _stack(maps: list[NDArray[np.float32] | None]) -> NDArray[np.float32] | list[NDArray[np.float32]]:
    """Stack maps of one size into one array; keep maps of different sizes in a list."""
    sizes = {anomaly_map.shape for anomaly_map in maps if anomaly_map is not None}
    size = sizes.pop() if len(sizes) == 1 else (0, 0)
    unreadable = np.full(size, np.nan, dtype=np.float32)
    filled = [unreadable.copy() if anomaly_map is None else anomaly_map for anomaly_map in maps]
    return filled if sizes else np.stack(filled) if filled else np.empty((0, 0, 0), dtype=np.float32)
