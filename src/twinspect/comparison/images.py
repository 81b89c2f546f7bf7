"""The images of a comparison: the same for every candidate, none of which has learnt from those it is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from twinspect.data.fingerprint import fingerprint_of, readable_digests
from twinspect.evaluation.defect_images import DefectImages
from twinspect.synthesis.defects import DEFECTS
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinspect.data import DataSet
    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector

SIZES: Final = (0.025, 0.06, 0.16)
"""Of synthetic defects, as shares of the image's side."""
DRAWN_ON: Final = 10
"""Defects of each kind and size, on so many held-out good images if there are as many."""
LEAST_SIDE: Final = 512
"""Images are reduced to sides of at least this, in pixels, before defects are drawn."""
MOST_LABELLED: Final = 200
"""Good, and as many defective, test images that are scored at most, evenly spaced."""


@dataclass
class ComparisonImages:
    """The images of a comparison.

    Attributes:
        data: all of them; good ones of the split ``train`` are learnt from.
        labelled: good and defective test images, if there are defective ones; candidates may have learnt from copies
            of the good ones.
        seed: of the split and of the defects.
        least_side: images are reduced as far as both their sides stay this long before defects are drawn; ``None``:
            they are not.
    """

    data: DataSet
    labelled: tuple[Sample, ...]
    seed: int
    least_side: int | None = LEAST_SIDE
    _ready: dict[tuple[str, ...], DefectImages] = field(default_factory=dict)

    @classmethod
    def of(
        cls, data: DataSet, seed: int, least_side: int | None, say: Callable[[str], None]
    ) -> ComparisonImages:
        """Choose the labelled images."""
        if data.doubt:
            say(f"labelled images are not used: {data.doubt}")
        test = () if data.doubt else data.split("test")
        good = evenly_spaced([sample for sample in test if sample.is_good], MOST_LABELLED)
        defective = evenly_spaced([sample for sample in test if not sample.is_good], MOST_LABELLED)
        return cls(data, (*good, *defective) if defective else (), seed, least_side)

    @cached_property
    def key(self) -> str:
        """Identifies all images."""
        samples = [*self.data.split("train"), *self.data.split("calibration"), *self.labelled]
        names = [f"{sample.split} {sample.label} {sample.category} {sample.name}" for sample in samples]
        return fingerprint_of(names, readable_digests(samples))

    def drawn(self, detector: BaseDetector) -> Iterator[tuple[float, list[Sample]]]:
        """Draw defects of every kind and size on good images that a detector has held out.

        Args:
            detector: fitted; all candidates hold out the same images.

        Yields:
            A size, and images with defects of one kind and that size.

        Raises:
            ImageError: one of the images cannot be read.
        """
        names = tuple(sorted(detector.calibration_.names))
        if names not in self._ready:
            by_name = {sample.name: sample for sample in self.data}
            chosen = [by_name[name] for name in evenly_spaced(names, DRAWN_ON)]
            self._ready = {names: DefectImages(chosen, detector.bits, self.least_side, self.seed)}
        for kind in DEFECTS:
            for size in SIZES:
                yield size, self._ready[names].draw(kind, size, DRAWN_ON)
