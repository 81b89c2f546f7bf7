"""The images that a report shows, chosen while all are scored, and their pictures.

Only small copies of maps and masks are kept, so memory does not grow with the number or size of the images.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from twinspect.data.pixels import read_pixels
from twinspect.drawing.heatmaps import draw_ground_truth
from twinspect.drawing.panels import Panel, shrink_map
from twinspect.inference.result_panels import result_panels
from twinspect.report.region_pictures import beside_good

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.drawing.heatmaps import MapRange
    from twinspect.inference.results import ImageScore

PAIR_SIDE: Final = 96
"""The longer side of a region that is shown beside a good patch, in pixels."""
MOST_PAIRS: Final = 3
"""Of an image: those of the regions with the highest peaks."""


@dataclass(frozen=True)
class KeptImage:
    """An image that the report shows.

    Attributes:
        rank: the lower, the sooner it is shown.
        row: its result, without the map.
        map: (h, w) float32, the anomaly map at the size it is shown, each block of pixels as its maximum.
        mask: (h, w) bool, the ground truth at the same size; ``None`` where there is none.
        shape: (H, W) of the image.
    """

    rank: float
    row: ImageScore
    map: NDArray[np.float32] = field(repr=False)
    mask: NDArray[np.bool_] | None = field(repr=False)
    shape: tuple[int, ...]

    def panels(self, map_range: MapRange, bits: int | None = None) -> list[Panel]:
        """Draw the image, its heat map, and its ground truth if an anomaly is marked in it.

        Raises:
            ImageError: the image cannot be read again.
        """
        drawn = result_panels(self.row, self.map, self.shape, map_range, bits=bits)
        if self.mask is not None and self.mask.any():
            drawn.append(Panel("ground truth", draw_ground_truth(drawn[0].rgb, self.mask)))
        return drawn

    def regions(self, good: Sequence[bytes], bits: int | None = None) -> list[Panel]:
        """Draw the first regions beside the good patches that they are most like, with what is different there.

        Args:
            good: the good images that they were compared with, as PNG files.
            bits: significant bits of a 16-bit image file.

        Raises:
            ImageError: the image cannot be read again.
        """
        shown = [region for region in self.row.regions or () if region.good_patch][:MOST_PAIRS]
        rgb = read_pixels(self.row.sample, bits=bits) if shown else None
        return [
            Panel(", ".join(region.words), beside_good(rgb, region.box, good, region.good_patch, PAIR_SIDE))
            for region in shown
            if rgb is not None
        ]


class LowestRanked:
    """Keeps the few images that rank lowest; of equal ones, the first.

    Args:
        size: how many to keep.
        rank: of an image; ``None`` for one that is not to be kept.
    """

    def __init__(self, size: int, rank: Callable[[ImageScore], float | None]) -> None:
        self.images: list[KeptImage] = []
        self._size, self._rank = size, rank

    def add(self, row: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        """Keep an image if it ranks among the lowest so far.

        Args:
            row: a scored image with its map; one without a map is ignored.
            mask: (H, W) ground truth, if known.
        """
        rank = self._rank(row)
        if (
            row.map is None
            or rank is None
            or (len(self.images) == self._size and rank >= self.images[-1].rank)
        ):
            return
        small = None if mask is None else shrink_map(mask)
        image = KeptImage(
            rank, replace(row, map=None, inside=None), shrink_map(row.map), small, row.map.shape
        )
        insort(self.images, image, key=lambda kept: kept.rank)
        del self.images[self._size :]


class Gallery:
    """The images a report shows.

    Args:
        size: how many of the worst anomalous and of the worst good images to keep.
        hits: how many of the anomalous images that were flagged with the highest scores to keep.

    Attributes:
        anomalous: anomalous images with the lowest scores: the misses, or what came nearest to one.
        good: good images with the highest scores: the false alarms, or what came nearest to one.
    """

    def __init__(self, size: int = 8, hits: int = 4) -> None:
        self._anomalous = LowestRanked(size, lambda row: None if row.sample.is_good else row.score)
        self._good = LowestRanked(size, lambda row: -row.score if row.sample.is_good else None)
        self._hits = LowestRanked(
            hits, lambda row: None if row.sample.is_good or not row.is_anomalous else -row.score
        )

    def add(self, row: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        """Keep a scored image wherever it ranks among the lowest; see :meth:`LowestRanked.add`."""
        for ranked in (self._anomalous, self._good, self._hits):
            ranked.add(row, mask)

    @property
    def anomalous(self) -> list[KeptImage]:
        """Anomalous images with the lowest scores, the lowest first."""
        return self._anomalous.images

    @property
    def good(self) -> list[KeptImage]:
        """Good images with the highest scores, the highest first."""
        return self._good.images

    @property
    def hits(self) -> list[KeptImage]:
        """Anomalous images that were flagged with the highest scores and are not among :attr:`anomalous`."""
        shown = {image.row.sample for image in self.anomalous}
        return [image for image in self._hits.images if image.row.sample not in shown]
