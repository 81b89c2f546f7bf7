"""Where the scores of pixels wait until they are counted: all of them, or a histogram of fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.metrics._steps import Steps, blocks, joined, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BIN_BITS = 22
"""leading bits of a float32 that name its bin: sign, 8 of exponent, 13 of fraction (steps of 1 in 8192)"""
_DROPPED = 32 - BIN_BITS
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True)
class Pixels:
    """The pixels of one or more images, good and anomalous apart.

    Attributes:
        good: (N,) float, scores of good pixels.
        anomalous: (P,) float, scores of anomalous pixels.
        areas: (P,) int32 or float64, area in pixels of the region that each anomalous pixel belongs to; more
            exactly what 1 is to be divided by for the share of the region that the pixel is.
        n_regions: how many regions there are.
    """

    good: NDArray[Any]
    anomalous: NDArray[Any]
    areas: NDArray[Any]
    n_regions: int


def sort_keys(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Map finite float32 to uint32 so that keys compare as the scores do; -0.0 and 0.0 get the same key.

    As an unsigned number, a positive float already rises with its bits once the sign bit is set, and a
    negative one falls with them, so its bits are flipped.
    """
    bits = (scores + np.float32(0)).view(np.uint32)
    negative = (bits.view(np.int32) >> 31).view(np.uint32)  # all ones where the sign is set
    return np.asarray(bits ^ (negative | _SIGN))


def lower_edges(bins: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give the lowest score of each bin: the inverse of :func:`sort_keys` with the dropped bits zero."""
    keys = (bins << _DROPPED).astype(np.uint32)
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float32)


class ExactStore:
    """Every score, as it came.

    It holds one copy of the scores and, while steps are counted, one more of the anomalous ones.
    """

    exact = True

    def __init__(self) -> None:
        self.n_good = self.n_anomalous = self.n_regions = 0
        self._good: list[NDArray[Any]] = []
        self._anomalous: list[NDArray[Any]] = []
        self._areas: list[NDArray[Any]] = []
        self._sorted = True

    def add(self, pixels: Pixels) -> None:
        """Keep the arrays themselves, not copies of them."""
        self._good.append(pixels.good)
        self._anomalous.append(pixels.anomalous)
        self._areas.append(pixels.areas)
        self.n_good += pixels.good.size
        self.n_anomalous += pixels.anomalous.size
        self.n_regions += pixels.n_regions
        self._sorted = False

    def pixels(self) -> Pixels:
        """Give all pixels in one piece, the good ones ascending."""
        good, anomalous, areas = (_gather(parts) for parts in (self._good, self._anomalous, self._areas))
        if not self._sorted:
            good.sort()
            self._sorted = True
        return Pixels(good, anomalous, areas, self.n_regions)

    def steps(self) -> Iterator[Steps]:
        """Yield a row for each anomalous pixel."""
        pixels = self.pixels()
        ascending = np.sort(pixels.anomalous)
        for block in blocks(ascending.size):
            order = np.argsort(pixels.anomalous[block])
            weight = 1 / pixels.areas[block][order]
            yield steps_of(pixels.good, ascending, pixels.anomalous[block][order], weight)

    def joined(self) -> Steps:
        """Give few enough rows to hold and draw in one piece."""
        pixels = self.pixels()
        return joined(pixels.good, np.sort(pixels.anomalous), pixels.anomalous, pixels.areas)


class BinnedStore:
    """Counts of float32 scores in bins of fixed place, 96 MB however many there are.

    A bin is the leading bits of a score, so bins are narrow near zero and wide far from it, need no knowledge
    of the range to come, and those of two stores can be added.
    """

    exact = False

    def __init__(self) -> None:
        self.n_good = self.n_anomalous = self.n_regions = 0
        self._good = np.zeros(2**BIN_BITS, np.int64)
        self._anomalous = np.zeros(2**BIN_BITS, np.int64)
        self._weight = np.zeros(2**BIN_BITS, np.float64)

    def add(self, pixels: Pixels) -> None:
        """Count pixels; nothing of them is kept."""
        for block in blocks(pixels.good.size):
            _count(self._good, _bins(pixels.good[block]))
        for block in blocks(pixels.anomalous.size):
            bins = _bins(pixels.anomalous[block])
            _count(self._anomalous, bins)
            _count(self._weight, bins, 1 / pixels.areas[block])
        self.n_good += pixels.good.size
        self.n_anomalous += pixels.anomalous.size
        self.n_regions += pixels.n_regions

    def add_counts(self, other: BinnedStore) -> None:
        """Add the counts of another store."""
        self._good += other._good
        self._anomalous += other._anomalous
        self._weight += other._weight
        self.n_good += other.n_good
        self.n_anomalous += other.n_anomalous
        self.n_regions += other.n_regions

    def joined(self) -> Steps:
        """Give a row for each bin that holds anomalous pixels."""
        rows = np.flatnonzero(self._anomalous)
        good, anomalous = self._good[rows], self._anomalous[rows]
        good_above = self.n_good - np.cumsum(self._good)[rows]
        anomalous_above = self.n_anomalous - np.cumsum(anomalous)
        return Steps(
            lower_edges(rows),
            good_above=good_above,
            good_upto=good_above + good,
            anomalous_above=anomalous_above,
            anomalous_upto=anomalous_above + anomalous,
            count=anomalous,
            weight=self._weight[rows],
            n_good=self.n_good,
            n_anomalous=self.n_anomalous,
        )

    def steps(self) -> Iterator[Steps]:
        """Yield the rows of :meth:`joined`."""
        yield self.joined()


def _gather(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Join the parts into one array that replaces them in the list.

    Each part is dropped as soon as it is copied, so that no second copy of them all is ever held.
    """
    if len(parts) != 1:
        dtype = np.result_type(*{part.dtype for part in parts}) if parts else np.float32
        whole = np.empty(sum(part.size for part in parts), dtype)
        stop = whole.size
        while parts:
            part = parts.pop()
            whole[stop - part.size : stop] = part
            stop -= part.size
        parts.append(whole)
    return parts[0]


def _bins(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(sort_keys(scores) >> np.uint32(_DROPPED), dtype=np.int64)


def _count(histogram: NDArray[Any], bins: NDArray[np.int64], weights: NDArray[Any] | None = None) -> None:
    """Add to the bins, touching no more of the histogram than the range they span."""
    if not bins.size:
        return
    low = bins.min()
    counts = np.bincount(bins - low, weights)
    histogram[low : low + counts.size] += counts
