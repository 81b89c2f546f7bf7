"""Scoring by an exported graph, whatever runtime runs it: pixels in, raw score and map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.errors import BundleError, ImageError, in_one_line
from twinspect.images.reading import check_sides
from twinspect.utils.memory import naming_exhaustion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export

IMAGES: Final = "images"
"""The graph's input: (B, H, W, 3) uint8 RGB."""
SCORE, MAP = "score", "map"
"""Its outputs: (B,) and (B, H, W) float32."""
PIXELS_AT_ONCE: Final = 2**23
"""Most pixels that are scored at once, beyond one image: eight images of 1024 x 1024."""


class GraphEngine(ABC):
    """An exported graph as an engine; a subclass for each runtime runs it.

    Args:
        export: which graph.
    """

    def __init__(self, export: Export) -> None:
        self._size = export.fixed_size
        self._pixels_at_once = PIXELS_AT_ONCE if self._size is None else 0
        self._name = export.name

    @abstractmethod
    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score images of one size.

        Args:
            images: (B, H, W, 3) uint8 RGB.

        Returns:
            Raw scores (B,) and maps (B, H, W).
        """

    def _checked_run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run a graph that somebody else may have made.

        Raises:
            BundleError: it fails, or gives something else than scores and maps.
            MemoryError: there is too little memory.
        """
        try:
            with naming_exhaustion():
                scores, maps = self.run(images)
        except MemoryError:
            raise
        except Exception as error:  # every runtime has errors of its own
            raise BundleError(
                f"{self._name} cannot score an image of {images.shape[2]}x{images.shape[1]} pixels "
                f"({in_one_line(error)}); export the model again"
            ) from error
        expected, given = ((len(images),), images.shape[:3]), (np.shape(scores), np.shape(maps))
        if given != expected:
            raise BundleError(
                f"{self._name} gives scores and maps of shapes {given}, not {expected}; export the model again"
            )
        return scores, maps

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Check the size of one image, (H, W, 3) uint8 RGB: the graph does the rest.

        Raises:
            ImageError: it is too small, or not of the only size that the graph takes.
        """
        height, width = rgb.shape[:2]
        check_sides(height, width)
        if self._size is not None and (height, width) != self._size:
            raise ImageError(
                f"an image of {width}x{height} pixels; {self._name} takes {self._size[1]}x{self._size[0]} only: "
                "export without --fixed-size for any size"
            )
        return rgb

    def score(
        self, prepared: Sequence[NDArray[np.uint8]], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        """Score images of any sizes; neighbours of one size are scored together.

        Raises:
            BundleError: the graph fails.
        """
        all_scores: list[float] = []
        all_maps: list[NDArray[np.float32] | None] = []
        for images in _stacked(prepared, self._pixels_at_once):
            scores, image_maps = self._checked_run(images)
            all_scores += scores.tolist()
            # Copies: some runtimes hand out memory that their next run overwrites.
            all_maps += [image_map.copy() for image_map in image_maps] if maps else [None] * len(scores)
        return all_scores, all_maps


def _stacked(images: Sequence[NDArray[np.uint8]], pixels: int) -> Iterator[NDArray[np.uint8]]:
    """Stack neighbours of one size, up to so many pixels a stack, but at least one image."""
    for (height, width, _), group in groupby(images, key=lambda image: image.shape):
        same_size = list(group)
        count = max(1, pixels // (height * width))
        for start in range(0, len(same_size), count):
            yield np.stack(same_size[start : start + count])
