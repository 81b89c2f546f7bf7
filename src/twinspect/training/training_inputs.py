"""Training inputs: whole images, or the tiles of images."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data.pixels import named, read_pixels
from twinspect.images.reading import image_size
from twinspect.model.preprocessing import as_batch
from twinspect.training.augmentation import COPIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.data.samples import Sample
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
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
        """Return one prepared input, (3, side, side) float32; may be called from several threads at once.

        Raises:
            ImageError: it cannot be read; the message begins with its path.
        """


def training_inputs(
    model: Model,
    samples: Sequence[Sample],
    bits: int | None,
    tiling: Tiling | None,
    prepared: dict[str, Tensor] | None = None,
    augmentation: Augmentation | None = None,
) -> TrainingInputs:
    """List the training inputs.

    Args:
        model: prepares them.
        samples: the images.
        bits: significant bits of 16-bit files.
        tiling: how they are cut; ``None`` for whole images.
        prepared: inputs of whole images that were read before, by name; each is taken out when it is needed.
        augmentation: what changes in further copies of the images; ``None`` for the images alone.

    Raises:
        ImageError: the size of an image cannot be read; needed for tiles only.
    """
    if augmentation is None:
        return _inputs(model, samples, bits, tiling, prepared)
    inputs = _inputs(model, augmentation.with_copies(samples), bits, tiling, prepared)
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
) -> TrainingInputs:
    if tiling is None:
        return WholeImages(model, samples, bits, prepared)
    return Tiles(model, samples, bits, tiling)


class WholeImages(TrainingInputs):
    """One input per image."""

    def __init__(
        self, model: Model, samples: Sequence[Sample], bits: int | None, prepared: dict[str, Tensor] | None
    ) -> None:
        self._model, self._samples, self._bits = model, samples, bits
        self._prepared = {} if prepared is None else prepared
        self.categories = [sample.category for sample in samples]
        self.by_image = [[number] for number in range(len(samples))]

    def read(self, number: int) -> Tensor:
        """Read and prepare one image, unless that was done before."""
        sample = self._samples[number]
        ready = self._prepared.pop(sample.name, None)
        if ready is not None:
            return ready
        return _prepare(self._model, sample, read_pixels(sample, bits=self._bits))


class Tiles(TrainingInputs):
    """One input per tile of every image."""

    def __init__(self, model: Model, samples: Sequence[Sample], bits: int | None, tiling: Tiling) -> None:
        self._model, self._samples, self._bits = model, samples, bits
        windows = [tiling.windows(*_size(sample)) for sample in samples]
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
            into.set_result(read_pixels(sample, bits=self._bits))
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait
            into.set_exception(error)


def _prepare(model: Model, sample: Sample, rgb: NDArray[np.uint8]) -> Tensor:
    with named(sample):
        return model.preprocessing.apply(as_batch(rgb))[0]


def count_tiles(samples: Sequence[Sample], tiling: Tiling) -> int:
    """Count the tiles of images from the sizes in their files' headers."""
    return sum(len(tiling.windows(*_size(sample))) for sample in samples)


def _size(sample: Sample) -> tuple[int, int]:
    """Return an image's height and width."""
    if sample.pixels is None:
        return image_size(sample.path)
    return sample.pixels.shape[0], sample.pixels.shape[1]
