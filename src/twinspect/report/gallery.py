"""Which images a report shows, chosen while they stream past, and how they are shown.

Only small copies of maps and masks are kept, so memory does not grow with the number or size of the images.
"""

from __future__ import annotations

import base64
import io
from bisect import insort
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from twinspect.data.pixels import read_pixels
from twinspect.report.heatmaps import overlay, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twinspect.inference.results import ImageScore
    from twinspect.report.heatmaps import MapRange

SHOWN_SIDE: Final = 320
"""The longer side of a shown image is at most this, in pixels."""
SMALL_SIDE: Final = 160
"""Images up to this on the longer side are enlarged by a whole factor, so that outlines stay thin."""
QUALITIES: Final = (85, 65, 45, 25)
LARGEST_PICTURE: Final = 24_000
"""Bytes a picture may have before a lower JPEG quality is tried: 60 pictures then stay below 2 MB of page."""


@dataclass(frozen=True)
class Panel:
    """One picture of an exhibit.

    Attributes:
        title: what it shows, such as ``heat map``.
        rgb: (h, w, 3) uint8.
    """

    title: str
    rgb: NDArray[np.uint8]

    def data_url(self) -> str:
        """Encode as JPEG for an ``<img>``, at the best quality that is small enough.

        Outlines one pixel wide need full colour resolution, so none is dropped.
        """
        for quality in QUALITIES:
            buffer = io.BytesIO()
            Image.fromarray(self.rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
            if buffer.tell() <= LARGEST_PICTURE:
                break
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True)
class KeptImage:
    """One image worth a look.

    Attributes:
        rank: exhibits of the lowest rank are kept.
        row: its result, without the map.
        map: (h, w) float32, the anomaly map at the size it is shown; of joined pixels, the highest.
        mask: (h, w) bool, likewise; ``None`` where there is no ground truth.
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
        rgb = _average(read_pixels(self.row.sample, bits=bits), self.shape)
        drawn = [Panel("image", rgb), Panel("heat map", overlay(rgb, self.map, map_range))]
        if self.mask is not None and self.mask.any():
            drawn.append(Panel("ground truth", truth(rgb, self.mask)))
        return drawn


class Shelf:
    """The few images that rank lowest of all that are offered; of equal ones, the first.

    Args:
        size: how many to keep.
        rank: what to rank an image by; ``None`` for an image that does not belong here.
    """

    def __init__(self, size: int, rank: Callable[[ImageScore], float | None]) -> None:
        self.exhibits: list[KeptImage] = []
        self._size, self._rank = size, rank

    def offer(self, row: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        """Keep an image if it ranks among the lowest so far.

        Args:
            row: a scored image with its map; one without a map is passed over.
            mask: (H, W) ground truth, if known.
        """
        rank = self._rank(row)
        if (
            row.map is None
            or rank is None
            or (len(self.exhibits) == self._size and rank >= self.exhibits[-1].rank)
        ):
            return
        small = None if mask is None else _highest(mask)
        exhibit = KeptImage(rank, replace(row, map=None), _highest(row.map), small, row.map.shape)
        insort(self.exhibits, exhibit, key=lambda kept: kept.rank)
        del self.exhibits[self._size :]


class Gallery:
    """The images a report shows.

    Args:
        size: how many of the worst anomalous and of the worst good images to keep.
        hits: how many of the surest finds to keep.

    Attributes:
        anomalous: anomalous images with the lowest scores: the misses, or what came nearest to one.
        good: good images with the highest scores: the false alarms, or what came nearest to one.
    """

    def __init__(self, size: int = 8, hits: int = 4) -> None:
        self._anomalous = Shelf(size, lambda row: None if row.sample.is_good else row.score)
        self._good = Shelf(size, lambda row: -row.score if row.sample.is_good else None)
        self._hits = Shelf(
            hits, lambda row: None if row.sample.is_good or not row.is_anomalous else -row.score
        )

    def offer(self, row: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        """Look at one scored image; see :meth:`Shelf.offer`."""
        for shelf in (self._anomalous, self._good, self._hits):
            shelf.offer(row, mask)

    @property
    def anomalous(self) -> list[KeptImage]:
        """Anomalous images with the lowest scores, the lowest first."""
        return self._anomalous.exhibits

    @property
    def good(self) -> list[KeptImage]:
        """Good images with the highest scores, the highest first."""
        return self._good.exhibits

    @property
    def hits(self) -> list[KeptImage]:
        """Anomalous images that were found with the highest scores and are not among :attr:`anomalous`."""
        shown = {exhibit.row.sample for exhibit in self.anomalous}
        return [exhibit for exhibit in self._hits.exhibits if exhibit.row.sample not in shown]


def _factors(shape: tuple[int, ...]) -> tuple[int, int]:
    """Choose by which whole numbers an image is made smaller and larger; one of them is 1."""
    longest = max(shape[:2])
    return -(-longest // SHOWN_SIDE), SHOWN_SIDE // longest if longest <= SMALL_SIDE else 1


def _highest(values: NDArray[Any]) -> NDArray[Any]:
    """Bring a map or mask to its shown size, a block becoming its highest pixel: no small spot is lost."""
    smaller, larger = _factors(values.shape)
    padding = [(0, -side % smaller) for side in values.shape]
    blocks = np.pad(values, padding, mode="edge")
    height, width = (side // smaller for side in blocks.shape)
    small = blocks.reshape(height, smaller, width, smaller).max(axis=(1, 3))
    return _repeated(small, larger)


def _average(rgb: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bring an image to its shown size, each block becoming its mean."""
    smaller, larger = _factors(shape)
    return _repeated(np.asarray(Image.fromarray(rgb).reduce(smaller)), larger)


def _repeated(values: NDArray[Any], times: int) -> NDArray[Any]:
    return values.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else values
