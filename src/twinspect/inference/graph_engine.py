"""Scoring by an exported graph, whatever runtime runs it: pixels in, raw score and map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from twinspect.errors import BundleError, ImageError, in_one_line
from twinspect.images.reading import check_sides
from twinspect.utils.memory import naming_exhaustion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export
    from twinspect.regions.areas import Region

IMAGES: Final = "images"
"""The graph's input: (B, H, W, 3) uint8 RGB."""
REGIONS: Final = "regions"
"""Its second input where each image comes with its own region of interest: (B, H, W) uint8, 0 outside."""
SCORE, MAP = "score", "map"
"""Its outputs: (B,) and (B, H, W) float32."""
PIXELS_AT_ONCE: Final = 2**23
"""Most pixels that are scored at once, beyond one image: eight images of 1024 x 1024."""


class GraphInput(NamedTuple):
    """An image that waits to be scored: (H, W, 3) uint8, and (H, W) uint8, 0 where nothing is looked at."""

    rgb: NDArray[np.uint8]
    region: NDArray[np.uint8] | None = None


class GraphEngine(ABC):
    """An exported graph as an engine; a subclass for each runtime runs it. Several threads may score by one.

    Args:
        export: which graph.
    """

    def __init__(self, export: Export) -> None:
        self._size = export.fixed_size
        self._pixels_at_once = PIXELS_AT_ONCE if self._size is None else 0
        self._name = export.name
        self._takes_regions = export.takes_regions

    @abstractmethod
    def run(
        self, images: NDArray[np.uint8], regions: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score images of one size.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            regions: (B, H, W), 0 where nothing is looked at; for graphs that take them.

        Returns:
            Raw scores (B,) and maps (B, H, W).
        """

    def _checked_run(
        self, images: NDArray[np.uint8], regions: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run a graph that somebody else may have made.

        Raises:
            BundleError: it fails, or gives something else than scores and maps.
            MemoryError: there is too little memory.
        """
        try:
            with naming_exhaustion():
                scores, maps = self.run(images, *(() if regions is None else (regions,)))
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

    def prepare(self, rgb: NDArray[np.uint8], region: Region | None = None) -> GraphInput:
        """Check the size of one image, (H, W, 3) uint8 RGB: the graph does the rest.

        A region of all images is a part of the graph.

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
        if region is None or not self._takes_regions:
            return GraphInput(rgb)
        return GraphInput(rgb, region.at(height, width).view(np.uint8))

    def score(
        self, prepared: Sequence[GraphInput], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        """Score images of any sizes; neighbours of one size are scored together.

        Raises:
            BundleError: the graph fails.
        """
        all_scores: list[float] = []
        all_maps: list[NDArray[np.float32] | None] = []
        for images, regions in _stacked(prepared, self._pixels_at_once):
            scores, image_maps = self._checked_run(images, regions)
            all_scores += scores.tolist()
            # Copies: some runtimes hand out memory that their next run overwrites.
            all_maps += [image_map.copy() for image_map in image_maps] if maps else [None] * len(scores)
        return all_scores, all_maps


def _stacked(
    inputs: Sequence[GraphInput], pixels: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]:
    """Stack neighbours of one size, up to so many pixels a stack, but at least one image."""
    for (height, width, _), group in groupby(inputs, key=lambda image: image.rgb.shape):
        same_size = list(group)
        count = max(1, pixels // (height * width))
        for start in range(0, len(same_size), count):
            at_once = same_size[start : start + count]
            regions = [each.region for each in at_once if each.region is not None]
            yield np.stack([each.rgb for each in at_once]), np.stack(regions) if regions else None
