"""From samples to raw scores: read, prepare and score in batches, with memory that does not grow.

What scores is an engine: trained networks under torch, or an exported graph under another runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from twinspect.calibration.conformal import Calibration, choose_rate_of
from twinspect.data.pixels import read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ImageError
from twinspect.images.statistics import Looks, looks
from twinspect.utils.allocator import kept_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Kind
    from twinspect.data.samples import Sample

SCORE_BATCH = 8
"""Images scored at once. Batches are cut at fixed places of the list, so a resumed run repeats the same ones."""
PEAK_SHARE = 0.9
"""The share of good images whose maps stay below the peak that colours heat maps."""

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
class RawScore:
    """What a model says of one image.

    Attributes:
        sample: the image.
        score: unbounded, higher is more anomalous; NaN where the image could not be read.
        map: (H, W) float32 at the image's own size; ``None`` if not asked for or not read.
        error: why the image could not be read; empty if it could.
        looks: what the image looks like; ``None`` if not asked for or not read.
    """

    sample: Sample
    score: float
    map: NDArray[np.float32] | None = None
    error: str = ""
    looks: Looks | None = None


@dataclass(frozen=True)
class Scorer:
    """How images are read and scored, whatever the model and its threshold.

    Attributes:
        workers: threads that read.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.
    """

    workers: int
    bits: int | None = None

    def stream(
        self, engine: Engine, samples: Sequence[Sample], *, maps: bool, with_looks: bool = False
    ) -> Iterator[RawScore]:
        """Score images in order; one that cannot be read is a row with its error.

        The images of the next batch are read while a batch is scored. Looks are measured on the same pixels, so no
        file is decoded twice for them.
        """
        ahead = max(2 * self.workers, SCORE_BATCH)
        how = partial(_read_and_look if with_looks else _read, engine, self.bits)
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
        for raw in self.stream(engine, samples, maps=True, with_looks=True):
            if raw.map is None or raw.looks is None:
                raise ImageError(raw.error)
            found.add(raw.sample, raw.score, raw.map, raw.looks)
        return found

    def check_readable(self, engine: Engine, samples: Sequence[Sample]) -> None:
        """Read what a training does not touch, so that a bad file is found before it and not after.

        Raises:
            ImageError: one of them cannot be read.
        """
        for result in read_samples(samples, partial(engine.read, bits=self.bits), workers=self.workers):
            if isinstance(result, ReadFailure):
                raise ImageError(result.message)


@dataclass
class GoodScores:
    """Raw scores of good images, the typical and the highest pixel of each one's map, and what each looks like."""

    names: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    typical: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    looks: list[Looks] = field(default_factory=list)

    NUMBERS: ClassVar[int] = 3 + len(Looks._fields)
    """How many numbers there are of an image."""

    def to_numbers(self) -> NDArray[np.float64]:
        """Lay the numbers of all images out, (N, ``NUMBERS``), for another process to read."""
        rows = zip(self.scores, self.typical, self.highest, self.looks, strict=True)
        numbers = [(score, typical, highest, *seen) for score, typical, highest, seen in rows]
        return np.array(numbers, dtype=np.float64).reshape(-1, self.NUMBERS)

    @classmethod
    def of(cls, samples: Sequence[Sample], numbers: NDArray[np.float64]) -> GoodScores:
        """Put together images and what :meth:`to_numbers` said of them."""
        good = cls([sample.name for sample in samples], [sample.category for sample in samples])
        good.scores, good.typical, good.highest = numbers[:, :3].T.tolist()
        good.looks = [Looks(*seen) for seen in numbers[:, 3:].tolist()]
        return good

    def add(self, sample: Sample, score: float, values: NDArray[np.float32], seen: Looks) -> None:
        """Take in one image."""
        self.names.append(sample.name)
        self.categories.append(sample.category)
        self.scores.append(score)
        self.typical.append(float(np.median(values)))
        self.highest.append(float(values.max()))
        self.looks.append(seen)

    def extend(self, other: GoodScores) -> None:
        """Take in the images of another."""
        self.names += other.names
        self.categories += other.categories
        self.scores += other.scores
        self.typical += other.typical
        self.highest += other.highest
        self.looks += other.looks

    def calibration(self, asked: float | None, kind: Kind) -> Calibration:
        """Make the promise that these images allow.

        Raises:
            CalibrationError: they are too few for the rate asked for.
        """
        span = (float(np.median(self.typical)), float(np.quantile(self.highest, PEAK_SHARE)))
        rate = choose_rate_of(self.categories, asked)
        labels = tuple(self.names), tuple(self.categories), tuple(self.looks)
        return Calibration(tuple(self.scores), rate, kind, span, *labels)


def _read(engine: Engine, bits: int | None, sample: Sample) -> tuple[Any, None]:
    return engine.read(sample, bits=bits), None


def _read_and_look(engine: Engine, bits: int | None, sample: Sample) -> tuple[Any, Looks]:
    """Decode an image once, for the engine and for its looks."""
    rgb = read_pixels(sample, bits=bits)
    read = engine.read(
        replace(sample, pixels=rgb), bits=bits
    )  # first, for it refuses what is too small to look at
    return read, looks(rgb)


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
            yield RawScore(sample, *next(scored), looks=result[1])
