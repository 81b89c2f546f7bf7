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


class GrowingColumn:
    """Values that come in pieces, held in few large chunks.

    A chunk is a sixteenth of what is held already, and at most 32 MB: few enough that the allocator gives each back
    to the system when it is freed, which it would not do with the thousands of small arrays that came.
    """

    _MOST = 2**23

    def __init__(self) -> None:
        self.size = 0
        self._chunks: list[NDArray[Any]] = []
        self._free = 0

    def append(self, values: NDArray[Any]) -> None:
        """Copy values to the end."""
        while values.size:
            if not self._free or self._chunks[-1].dtype != values.dtype:
                self._grow(values)
            last, taken = self._chunks[-1], values[: self._free]
            start = last.size - self._free
            last[start : start + taken.size] = taken
            self._free -= taken.size
            self.size += taken.size
            values = values[taken.size :]

    def whole(self) -> NDArray[Any]:
        """Give everything in one array, which takes the place of the chunks; each is freed once it is copied."""
        self._end()
        if len(self._chunks) != 1:
            dtype = np.result_type(*{chunk.dtype for chunk in self._chunks}) if self._chunks else np.float32
            whole = np.empty(self.size, dtype)
            stop = whole.size
            while self._chunks:
                chunk = self._chunks.pop()
                whole[stop - chunk.size : stop] = chunk
                stop -= chunk.size
            self._chunks.append(whole)
        return self._chunks[0]

    def _grow(self, values: NDArray[Any]) -> None:
        self._end()
        self._free = max(values.size, min(self.size // 16, self._MOST))
        self._chunks.append(np.empty(self._free, values.dtype))

    def _end(self) -> None:
        """Cut off what is free."""
        if self._free:
            self._chunks[-1] = self._chunks[-1][: -self._free]
            self._free = 0


class ExactStore:
    """Every score, as it came.

    It holds one copy of the scores and, while steps are counted, one more of the anomalous ones.
    """

    exact = True

    def __init__(self) -> None:
        self.n_regions = 0
        self._good, self._anomalous, self._areas = GrowingColumn(), GrowingColumn(), GrowingColumn()
        self._sorted = True

    @property
    def n_good(self) -> int:
        """Good pixels held."""
        return self._good.size

    @property
    def n_anomalous(self) -> int:
        """Anomalous pixels held."""
        return self._anomalous.size

    def add(self, pixels: Pixels) -> None:
        """Copy the pixels of some images."""
        self._good.append(pixels.good)
        self._anomalous.append(pixels.anomalous)
        self._areas.append(pixels.areas)
        self.n_regions += pixels.n_regions
        self._sorted = False

    def pixels(self) -> Pixels:
        """Give all pixels in one piece."""
        return Pixels(self._good.whole(), self._anomalous.whole(), self._areas.whole(), self.n_regions)

    def ascending(self) -> Pixels:
        """Give all pixels in one piece, the good ones ascending."""
        pixels = self.pixels()
        if not self._sorted:
            pixels.good.sort()
            self._sorted = True
        return pixels

    def steps(self) -> Iterator[Steps]:
        """Yield a row for each anomalous pixel."""
        pixels = self.ascending()
        ascending = np.sort(pixels.anomalous)
        for block in blocks(ascending.size):
            order = np.argsort(pixels.anomalous[block])
            weight = 1 / pixels.areas[block][order]
            yield steps_of(pixels.good, ascending, pixels.anomalous[block][order], weight)

    def joined(self) -> Steps:
        """Give few enough rows to hold and draw in one piece."""
        pixels = self.ascending()
        return joined(pixels.good, np.sort(pixels.anomalous), pixels.anomalous, pixels.areas)


class BinnedStore:
    """Counts of float32 scores in bins of fixed place, 96 MB at most however many there are.

    A bin is the leading bits of a score, so bins are narrow near zero and wide far from it, need no knowledge
    of the range to come, and those of two stores can be added. Bins that nothing falls into are never written, so
    the system gives them no memory.
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
            np.add.at(self._good, _bins(pixels.good[block]), 1)
        for block in blocks(pixels.anomalous.size):
            bins = _bins(pixels.anomalous[block])
            np.add.at(self._anomalous, bins, 1)
            np.add.at(self._weight, bins, 1 / pixels.areas[block])
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


def _bins(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(sort_keys(scores) >> np.uint32(_DROPPED), dtype=np.int64)
