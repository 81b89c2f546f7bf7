"""Good images with synthetic defects on them, the same whoever asks: to try a fitted detector, not to train it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twinspect.data.pixels import read_pixels
from twinspect.data.samples import Sample
from twinspect.regions.scope import look
from twinspect.synthesis.defects import DEFECTS, Canvas, draw_defect
from twinspect.synthesis.foreground import foregrounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.regions.scope import Scope


class DefectImages:
    """Good images, read once and ready for defects of any kind and size.

    Args:
        samples: good images.
        bits: significant bits of 16-bit files.
        least_side: images are reduced as far as both their sides stay this long, in pixels; ``None``: they are not.
        seed: of places and shapes.
        scope: where to look, and so where defects are drawn; ``None`` for everywhere.

    Attributes:
        side: square root of a typical image's area before that, in pixels.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        bits: int | None,
        least_side: int | None,
        seed: int,
        scope: Scope | None = None,
    ) -> None:
        images = [read_pixels(sample, bits=bits) for sample in samples]
        self.side = float(np.median([np.sqrt(image.shape[0] * image.shape[1]) for image in images]))
        pixels = [_reduced(image, least_side) for image in images]
        masks = foregrounds(pixels, [sample.category for sample in samples])
        triples = zip(samples, pixels, masks, strict=True)
        masks = [_confined(mask, look(scope, sample, image).inside_image) for sample, image, mask in triples]
        self._canvases = [Canvas.of(image, mask) for image, mask in zip(pixels, masks, strict=True)]
        self._samples, self._seed = samples, seed

    def draw(self, kind: str, size: float, count: int) -> list[Sample]:
        """Draw defects, each on another image as far as there are so many.

        Args:
            kind: one of :data:`twinspect.synthesis.defects.DEFECTS`.
            size: longest extent, as a share of the square root of the image's area.
            count: how many.

        Returns:
            Images in memory, with the category of the good image and the kind as their label.
        """
        return [
            self._sample(self._samples[number % len(self._samples)], kind, size, number)
            for number in range(count)
        ]

    def _sample(self, good: Sample, kind: str, size: float, number: int) -> Sample:
        return Sample(
            good.path if good.roi else Path(kind),  # by which a file about several images finds the region
            f"{kind} {number}",
            label=kind,
            pixels=self._draw(kind, size, number),
            category=good.category,
            roi=good.roi,
        )

    def _draw(self, kind: str, size: float, number: int) -> NDArray[np.uint8]:
        random = np.random.default_rng([self._seed, list(DEFECTS).index(kind), number])
        return draw_defect(self._canvases[number % len(self._canvases)], kind, size, random)


def _confined(foreground: NDArray[np.bool_], inside: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Leave out of a foreground what is not looked at; of one without any of the region, take the region."""
    if inside is None:
        return foreground
    both: NDArray[np.bool_] = foreground & inside
    return both if both.any() else inside


def _reduced(pixels: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Make an image smaller, as far as both its sides stay as long as needed."""
    scale = 1.0 if side is None else side / min(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = round(scale * pixels.shape[1]), round(scale * pixels.shape[0])
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
