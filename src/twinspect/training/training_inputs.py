"""Training inputs: whole images, or the tiles of images."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from twinspect.data.pixels import named, read_pixels
from twinspect.images.reading import image_size
from twinspect.model.preprocessing import as_batch
from twinspect.regions.scope import look
from twinspect.training.augmentation import COPIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.data.samples import Sample
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
    from twinspect.regions.scope import Scope
    from twinspect.training.augmentation import Augmentation

RECENT: Final = 4
"""How many decoded images are kept, so that a file is decoded once for neighbouring tiles."""


class TrainingInputs(ABC):
    """The inputs of a training, by number.

    Attributes:
        categories: the category of each input.
        by_image: the numbers of the inputs of every image, with those of its copies, image by image.
    """

    categories: Sequence[str]
    by_image: Sequence[list[int]]

    @abstractmethod
    def read(self, number: int) -> Tensor:
        """Return one prepared input, (3, *input_sides) float32; may be called from several threads at once.

        Raises:
            ImageError: it cannot be read; the message begins with its path.
        """

    @abstractmethod
    def inside(self, number: int) -> Tensor | None:
        """Say which pixels of an input are looked at, (*input_sides) bool; ``None`` for all."""


def training_inputs(
    model: Model,
    samples: Sequence[Sample],
    bits: int | None,
    tiling: Tiling | None,
    prepared: dict[str, Tensor] | None = None,
    augmentation: Augmentation | None = None,
    scope: Scope | None = None,
) -> TrainingInputs:
    """List the training inputs.

    Args:
        model: prepares them.
        samples: the images.
        bits: significant bits of 16-bit files.
        tiling: how they are cut; ``None`` for whole images.
        prepared: inputs of whole images that were read before, by name; each is taken out when it is needed.
        augmentation: what changes in further copies of the images; ``None`` for the images alone. A copy is looked at
            where its image is.
        scope: where to look; tiles without any of it are left out. ``None`` for whole images.

    Raises:
        ImageError: the size of an image cannot be read; needed for tiles only.
    """
    if augmentation is None:
        return _inputs(model, samples, bits, tiling, prepared, scope)
    inputs = _inputs(model, augmentation.with_copies(samples), bits, tiling, prepared, scope)
    # A copy is held out if its image is.
    inputs.by_image = [
        list(chain(*inputs.by_image[start : start + 1 + COPIES]))
        for start in range(0, len(inputs.by_image), 1 + COPIES)
    ]
    return inputs


def _inputs(
    model: Model,
    samples: Sequence[Sample],
    bits: int | None,
    tiling: Tiling | None,
    prepared: dict[str, Tensor] | None,
    scope: Scope | None,
) -> TrainingInputs:
    if tiling is None:
        return WholeImages(model, samples, bits, prepared, scope)
    return Tiles(model, samples, bits, tiling, scope)


class WholeImages(TrainingInputs):
    """One input per image."""

    def __init__(
        self,
        model: Model,
        samples: Sequence[Sample],
        bits: int | None,
        prepared: dict[str, Tensor] | None,
        scope: Scope | None,
    ) -> None:
        self._model, self._samples, self._bits, self._scope = model, samples, bits, scope
        self._regions: dict[Any, Tensor | None] = {}
        self._size = cache(lambda number: _size(samples[number]))
        self._prepared = {} if prepared is None else prepared
        self.categories = [sample.category for sample in samples]
        self.by_image = [[number] for number in range(len(samples))]

    def read(self, number: int) -> Tensor:
        """Read and prepare one image, unless that was done before."""
        sample = self._samples[number]
        ready = self._prepared.pop(sample.name, None)
        if ready is not None:
            return ready
        rgb = read_pixels(sample, bits=self._bits)
        with named(sample):
            rgb = look(self._scope, sample, rgb).painted
        return _prepare(self._model, sample, rgb)

    def inside(self, number: int) -> Tensor | None:
        """Bring the region of an image to the input; what several images share is brought once."""
        sample, scope, preprocessing = self._samples[number], self._scope, self._model.preprocessing
        if scope is None and not preprocessing.has_padding:
            return None
        with named(sample):
            has_own = scope is not None and scope.fixed is None
            size = self._size(number) if has_own or preprocessing.has_padding else (0, 0)
            key = number if has_own else size
            if key not in self._regions:
                region = scope.region_of(sample, size) if scope else None
                self._regions[key] = preprocessing.inside(region, size)
        return self._regions[key]


class Tiles(TrainingInputs):
    """One input per tile of every image."""

    def __init__(
        self,
        model: Model,
        samples: Sequence[Sample],
        bits: int | None,
        tiling: Tiling,
        scope: Scope | None,
    ) -> None:
        self._model, self._samples, self._bits, self._scope = model, samples, bits, scope
        windows = [_windows(sample, tiling, scope) for sample in samples]
        self._tiles = [(image, window) for image, cuts in enumerate(windows) for window in cuts]
        self.categories = [samples[image].category for image, _ in self._tiles]
        ends = np.cumsum([len(cuts) for cuts in windows]).tolist()
        self.by_image = [list(range(end - len(cuts), end)) for cuts, end in zip(windows, ends, strict=True)]
        self._recent: dict[int, Future[NDArray[np.uint8]]] = {}
        self._lock = threading.Lock()

    def read(self, number: int) -> Tensor:
        """Cut out and prepare one tile, exactly as for scoring."""
        image, window = self._tiles[number]
        return _prepare(self._model, self._samples[image], self._decoded(image)[window])

    def inside(self, number: int) -> Tensor | None:
        """Cut a tile out of its image's region and bring it to the input."""
        if self._scope is None:
            return None
        image, window = self._tiles[number]
        sample = self._samples[image]
        with named(sample):
            inside = self._scope.region_of(sample, _size(sample)).at(*_size(sample))
        return self._model.preprocessing.inside_of(torch.from_numpy(inside[window].copy())[None])[0]

    def _decoded(self, image: int) -> NDArray[np.uint8]:
        """Return the pixels of an image; threads that need the same one wait for the first of them."""
        pending: Future[NDArray[np.uint8]] = Future()
        with self._lock:
            decoded = self._recent.pop(image, pending)
            self._recent[image] = decoded  # now the last to be dropped
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        if decoded is pending:
            self._decode(image, pending)
        return decoded.result()

    def _decode(self, image: int, into: Future[NDArray[np.uint8]]) -> None:
        sample = self._samples[image]
        try:
            rgb = read_pixels(sample, bits=self._bits)
            with named(sample):
                into.set_result(look(self._scope, sample, rgb).painted)
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait
            into.set_exception(error)


def _prepare(model: Model, sample: Sample, rgb: NDArray[np.uint8]) -> Tensor:
    with named(sample):
        return model.preprocessing.apply(as_batch(rgb))[0]


def count_tiles(samples: Sequence[Sample], tiling: Tiling, scope: Scope | None = None) -> int:
    """Count the tiles of images that are looked at, from the sizes in their files' headers."""
    return sum(len(_windows(sample, tiling, scope)) for sample in samples)


def _windows(sample: Sample, tiling: Tiling, scope: Scope | None) -> list[tuple[slice, slice]]:
    """List the tiles of an image in which something is looked at."""
    size = _size(sample)
    windows = tiling.windows(*size)
    if scope is None:
        return windows
    with named(sample):
        inside = scope.region_of(sample, size).at(*size)
    return [window for window in windows if inside[window].any()]


def _size(sample: Sample) -> tuple[int, int]:
    """Return an image's height and width."""
    if sample.pixels is None:
        return image_size(sample.path)
    return sample.pixels.shape[0], sample.pixels.shape[1]
