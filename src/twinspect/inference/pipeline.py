"""From samples to raw scores: read, prepare and score in batches, with memory that does not grow.

What scores is an engine: trained networks under torch, or an exported graph under another runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from twinspect.calibration.good_scores import GoodScores
from twinspect.data.pixels import read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ImageError
from twinspect.images.statistics import ImageStatistics, image_statistics
from twinspect.inference.results import RawScore
from twinspect.utils.allocator import kept_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data.samples import Sample

SCORE_BATCH = 8
"""Images scored at once. Batches are cut at fixed places of the list, so a resumed run repeats the same ones."""

Judged = tuple[float, "NDArray[np.float32] | None"]
"""The raw score of an image, and its map (H, W) at the image's own size if it was asked for."""


class Engine(Protocol):
    """What scores images, wherever its networks run."""

    def read(self, sample: Sample, *, bits: int | None = None) -> Any:
        """Read one image and do to it what needs no other image; called from several threads at once.

        Raises:
            ImageError: it cannot be read or is too small; the message begins with its path.
        """

    def score(self, read: Sequence[Any], *, maps: bool) -> list[Judged]:
        """Score what :meth:`read` gave, images of any sizes, in order."""


@dataclass(frozen=True)
class ScoringPipeline:
    """How images are read and scored, whatever the model and its threshold.

    Attributes:
        workers: threads that read.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.
    """

    workers: int
    bits: int | None = None

    def stream(
        self, engine: Engine, samples: Sequence[Sample], *, maps: bool, with_statistics: bool = False
    ) -> Iterator[RawScore]:
        """Score images in order; one that cannot be read is a row with its error.

        The images of the next batch are read while a batch is scored. Looks are measured on the same pixels, so no
        file is decoded twice for them.
        """
        ahead = max(2 * self.workers, SCORE_BATCH)
        how = partial(_read_and_look if with_statistics else _read, engine, self.bits)
        read = read_samples(samples, how, workers=self.workers, ahead=ahead)
        batch: list[Any] = []
        with kept_memory():
            for number, result in enumerate(read, start=1):
                batch.append(result)
                if number % SCORE_BATCH == 0 or number == len(samples):
                    yield from _score(engine, samples[number - len(batch) : number], batch, maps=maps)
                    batch = []

    def good(self, engine: Engine, samples: Sequence[Sample]) -> GoodScores:
        """Score good images for a calibration.

        Raises:
            ImageError: one of them cannot be read.
        """
        found = GoodScores()
        for raw in self.stream(engine, samples, maps=True, with_statistics=True):
            if raw.map is None or raw.statistics is None:
                raise ImageError(raw.error)
            found.add(raw.sample, raw.score, raw.map, raw.statistics)
        return found

    def check_readable(self, engine: Engine, samples: Sequence[Sample]) -> None:
        """Read what a training does not touch, so that a bad file is found before it and not after.

        Raises:
            ImageError: one of them cannot be read.
        """
        for result in read_samples(samples, partial(engine.read, bits=self.bits), workers=self.workers):
            if isinstance(result, ReadFailure):
                raise ImageError(result.message)


def _read(engine: Engine, bits: int | None, sample: Sample) -> tuple[Any, None]:
    return engine.read(sample, bits=bits), None


def _read_and_look(engine: Engine, bits: int | None, sample: Sample) -> tuple[Any, ImageStatistics]:
    """Decode an image once, for the engine and for its looks."""
    rgb = read_pixels(sample, bits=bits)
    read = engine.read(
        replace(sample, pixels=rgb), bits=bits
    )  # first, for it refuses what is too small to look at
    return read, image_statistics(rgb)


def _score(
    engine: Engine, samples: Sequence[Sample], read: Sequence[Any], *, maps: bool
) -> Iterator[RawScore]:
    """Score what could be read of a batch, and keep everything in its place."""
    fine = [result for result in read if not isinstance(result, ReadFailure)]
    scored = iter(engine.score([prepared for prepared, _ in fine], maps=maps) if fine else [])
    for sample, result in zip(samples, read, strict=True):
        if isinstance(result, ReadFailure):
            yield RawScore(sample, float("nan"), error=result.message)
        else:
            yield RawScore(sample, *next(scored), statistics=result[1])
