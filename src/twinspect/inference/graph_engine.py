"""Scoring by an exported graph, whatever runs it: pixels in, raw score and map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data.pixels import read_pixels
from twinspect.errors import ImageError
from twinspect.images.reading import check_sides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export
    from twinspect.data.samples import Sample
    from twinspect.inference.pipeline import Judged

IMAGES: Final = "images"
"""The graph's input: (B, H, W, 3) uint8 RGB."""
SCORE, MAP = "score", "map"
"""Its outputs: (B,) and (B, H, W) float32."""
PIXELS_AT_ONCE: Final = 2**23
"""Most pixels that are judged at once, beyond one image: eight images of 1024 x 1024."""


class GraphEngine(ABC):
    """An exported graph as an engine; a subclass runs it.

    Args:
        export: which graph.
    """

    def __init__(self, export: Export) -> None:
        self._size = export.fixed_size
        self._most = PIXELS_AT_ONCE if self._size is None else 0
        self._name = export.name

    @abstractmethod
    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score images of one size.

        Args:
            images: (B, H, W, 3) uint8 RGB.

        Returns:
            Raw scores (B,) and maps (B, H, W).
        """

    def read(self, sample: Sample, *, bits: int | None = None) -> NDArray[np.uint8]:
        """Read one image: (H, W, 3) uint8 RGB.

        Raises:
            ImageError: it cannot be read, is too small, or is not of the only size that the graph takes.
        """
        rgb = read_pixels(sample, bits=bits)
        height, width = rgb.shape[:2]
        try:
            check_sides(height, width)
            self._check_size(height, width)
        except ImageError as error:
            raise ImageError(f"{sample.address}: {error}") from None
        return rgb

    def score(self, read: Sequence[NDArray[np.uint8]], *, maps: bool) -> list[Judged]:
        """Score images of any sizes; neighbours of one size are judged together."""
        found: list[Judged] = []
        for images in _stacked(read, self._most):
            scores, made = self.run(images)
            # Copies: some runtimes hand out memory that their next run overwrites.
            kept = [each.copy() for each in made] if maps else [None] * len(scores)
            found += zip(scores.tolist(), kept, strict=True)
        return found

    def _check_size(self, height: int, width: int) -> None:
        if self._size is not None and (height, width) != self._size:
            raise ImageError(
                f"an image of {width}x{height} pixels; {self._name} takes {self._size[1]}x{self._size[0]} alone: "
                "export without --fixed-size for any size"
            )


def _stacked(images: Sequence[NDArray[np.uint8]], pixels: int) -> Iterator[NDArray[np.uint8]]:
    """Put neighbours of one size together, up to so many pixels, but at least one."""
    for (height, width, _), group in groupby(images, key=lambda image: image.shape):
        alike = list(group)
        most = max(1, pixels // (height * width))
        for start in range(0, len(alike), most):
            yield np.stack(alike[start : start + most])
