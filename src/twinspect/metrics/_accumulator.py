"""Base of the accumulators, which collect the pixels of one image after another in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from twinspect.errors import ConfigError, DataError
from twinspect.metrics._stores import BinnedStore, ExactStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from twinspect.metrics._stores import Pixels

TruthT = TypeVar("TruthT")


class Accumulator:
    """Holds every score up to a number of pixels, and counts them in bins past that.

    Args:
        exact_up_to: pixels to hold, 0 or more.

    Raises:
        ConfigError: a negative number of pixels.
    """

    def __init__(self, exact_up_to: int = 2**27) -> None:
        if exact_up_to < 0:
            raise ConfigError(f"exact_up_to={exact_up_to!r}; allowed: 0 (never hold scores) or more pixels")
        self.exact_up_to = exact_up_to
        self._store: ExactStore | BinnedStore = ExactStore()

    @property
    def n_pixels(self) -> int:
        """Pixels added so far."""
        return self._store.n_good + self._store.n_anomalous

    def merge(self, other: Self) -> None:
        """Add all images of another accumulator of the same kind, which stays as it is.

        Raises:
            ConfigError: an accumulator of another kind.
        """
        if type(other) is not type(self):
            raise ConfigError(f"a {type(other).__name__} came; allowed: another {type(self).__name__}")
        theirs = other._store
        if isinstance(theirs, BinnedStore):
            self._binned().add_counts(theirs)
        else:
            self._take(theirs.pixels())

    def _take(self, pixels: Pixels) -> None:
        self._store.add(pixels)
        if self.n_pixels > self.exact_up_to:
            self._binned()

    def _binned(self) -> BinnedStore:
        """Return the store of bins, moving the scores that are held into it first."""
        if isinstance(self._store, ExactStore):
            binned = BinnedStore()
            binned.add(self._store.pixels())
            self._store = binned
        return self._store


def collect_pixels(
    truths: Sequence[TruthT],
    maps: Sequence[Any],
    split: Callable[[TruthT, Any], Pixels],
    name: str,
    allowed: str,
) -> ExactStore:
    """Collect the pixels of images that are all in memory.

    Args:
        truths: the ground truth of each image.
        maps: its scores.
        split: separates the good and the anomalous pixels of one image.
        name: what the truths are called in an error.
        allowed: how truths and maps belong together.

    Raises:
        DataError: no images, unequal numbers, or an image that cannot be split.
    """
    if len(truths) != len(maps) or len(maps) == 0:
        raise DataError(
            f"{len(truths)} {name} came with {len(maps)} score maps; allowed: {allowed}, and at least one of each"
        )
    store = ExactStore()
    for truth, score_map in zip(truths, maps, strict=True):
        store.add(split(truth, score_map))
    return store


def check_float32(score_map: NDArray[np.float32]) -> None:
    """Check that bins of float32 can hold a map as it is.

    Raises:
        DataError: a map of another type than float16 and float32.
    """
    dtype = np.asarray(score_map).dtype
    if dtype not in (np.float16, np.float32):
        raise DataError(
            f"a score map of {dtype} came; allowed: float32, because bins are those of float32 and a "
            "silent cast would round scores; type: score_map.astype('float32')"
        )
