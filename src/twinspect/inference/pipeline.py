"""From samples to raw scores: read, prepare and score in batches, with memory that does not grow.

What scores is an engine: trained networks under torch, or an exported graph under another runtime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from twinspect.calibration.good_scores import GoodScores
from twinspect.data.pixels import named, read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ImageError
from twinspect.images.perceptual_hash import perceptual_hash
from twinspect.images.quality import ImageQuality, image_quality
from twinspect.images.statistics import ImageStatistics, image_statistics
from twinspect.inference.results import ImageScore
from twinspect.regions.placement import AlignmentError
from twinspect.regions.scope import Seen, look
from twinspect.utils.allocator import keep_freed_memory
from twinspect.utils.memory import TOO_LARGE, naming_exhaustion
from twinspect.utils.progress import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.regions.areas import Region
    from twinspect.regions.scope import Scope

SCORE_BATCH = 8
"""Images scored at once. Batches are cut at fixed places of the list, so a resumed run repeats the same ones."""


class Engine(Protocol):
    """What scores images, wherever its networks run."""

    def prepare(self, rgb: NDArray[np.uint8], region: Region | None = None) -> Any:
        """Do to one image what needs no other image; called from several threads at once.

        Args:
            rgb: (H, W, 3) uint8.
            region: where to look; ``None`` for everywhere.

        Raises:
            ImageError: it is too small, of a size that the engine does not take, or its region does not fit it.
        """

    def score(
        self, prepared: Sequence[Any], *, maps: bool
    ) -> tuple[list[float], Sequence[NDArray[np.float32] | None]]:
        """Score what :meth:`prepare` gave, images of any sizes, in order.

        Returns:
            The raw score of each image, and its map (H, W) at the image's own size, 0 outside of its region;
            ``None`` if not asked for.
        """


@dataclass(frozen=True)
class ScoringPipeline:
    """How images are read and scored, whatever the model and its threshold.

    Attributes:
        workers: threads that read.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.
        scope: where to look; ``None`` for everywhere.
    """

    workers: int
    bits: int | None = None
    scope: Scope | None = None

    def stream(
        self,
        engine: Engine,
        samples: Sequence[Sample],
        *,
        maps: bool,
        statistics: bool = False,
        perceptual_hashes: bool = False,
    ) -> Iterator[ImageScore]:
        """Score images in order, without a decision; one that cannot be read or scored is a row with its error.

        The images of the next batch are read while a batch is scored. Statistics and hashes are computed from
        the same pixels, so no file is decoded twice for them. How an image was taken is always measured.
        """
        scored = self.stream_unchecked(
            engine, samples, maps=maps, statistics=statistics, perceptual_hashes=perceptual_hashes
        )
        return map(_require_finite, scored)

    def stream_unchecked(
        self,
        engine: Engine,
        samples: Sequence[Sample],
        *,
        maps: bool,
        statistics: bool = False,
        perceptual_hashes: bool = False,
    ) -> Iterator[ImageScore]:
        """Score images like :meth:`stream`, and pass scores on that are not finite: for whoever judges the engine."""
        ahead = max(2 * self.workers, SCORE_BATCH)
        read = partial(_read, self, engine, statistics, perceptual_hashes)
        results = read_samples(samples, read, workers=self.workers, ahead=ahead)
        batch: list[_Read | ReadFailure] = []
        with keep_freed_memory():
            for number, result in enumerate(results, start=1):
                batch.append(result)
                if number % SCORE_BATCH == 0 or number == len(samples):
                    yield from _score(engine, samples[number - len(batch) : number], batch, maps=maps)
                    batch = []

    def score_good(
        self,
        engine: Engine,
        samples: Sequence[Sample],
        unreadable: dict[str, str] | None = None,
        hashes: dict[str, bytes] | None = None,
    ) -> GoodScores:
        """Score good images for a calibration.

        Args:
            engine: what scores.
            samples: the images.
            unreadable: takes the reason, by name, of images that cannot be read and are left out; ``None`` if every
                image must be readable.
            hashes: takes the perceptual hash of each image, by name; ``None`` if they are not needed.

        Raises:
            ImageError: one of them cannot be read, or its score is not finite: then the model is at fault.
        """
        good = GoodScores()
        rows = self.stream_unchecked(
            engine, samples, maps=True, statistics=True, perceptual_hashes=hashes is not None
        )
        for scored in tracked("score good images", rows, total=len(samples)):
            if (reason := scored.error or scored.unaligned) and unreadable is not None:
                unreadable[scored.sample.name] = reason
                continue
            row = _require_finite(scored)
            counted = row.counted
            if row.unaligned:
                raise ImageError(f"{row.sample.address}: {row.unaligned}")
            if counted is None or row.statistics is None or row.quality is None:
                raise ImageError(row.error)
            good.add(row.sample, row.score, counted, row.statistics, row.quality)
            if hashes is not None:
                hashes[row.sample.name] = row.perceptual_hash
        return good


@dataclass(frozen=True)
class _Read:
    """What the reading of an image gave: what the engine made of it before scoring it, and what was measured."""

    prepared: Any
    seen: Seen
    unaligned: str
    quality: ImageQuality
    perceptual_hash: bytes
    statistics: ImageStatistics | None


def _read(
    pipeline: ScoringPipeline, engine: Engine, statistics: bool, perceptual_hashes: bool, sample: Sample
) -> _Read:
    """Decode an image once, for the engine and for all that is measured on it."""
    rgb = read_pixels(sample, bits=pipeline.bits)
    with named(sample):
        seen, unaligned = _look(pipeline.scope, sample, rgb)
        prepared = engine.prepare(
            seen.painted, seen.region
        )  # first, for it refuses what is too small to measure
    measured = image_statistics(seen.pixels, seen.inside) if statistics else None
    hashed = perceptual_hash(rgb) if perceptual_hashes else b""
    return _Read(prepared, seen, unaligned, image_quality(seen.pixels, seen.inside), hashed, measured)


def _look(scope: Scope | None, sample: Sample, rgb: NDArray[np.uint8]) -> tuple[Seen, str]:
    """Align an image; one that does not align is looked at as it is, and why is said."""
    try:
        return look(scope, sample, rgb), ""
    except AlignmentError as error:
        return look(scope and replace(scope, alignment=None), sample, rgb), str(error)


def _in_image(found: NDArray[np.float32] | None, seen: Seen) -> NDArray[np.float32] | None:
    """Bring the map of an aligned image to the image as it was given; 0 outside of its region."""
    inside = seen.inside_image
    if found is None or inside is None or seen.placement is None:
        return found
    return np.where(inside, seen.placement.to_image(found), np.float32(0))


def _score(
    engine: Engine, samples: Sequence[Sample], batch: Sequence[_Read | ReadFailure], *, maps: bool
) -> Iterator[ImageScore]:
    """Score what could be read of a batch, and keep everything in its place."""
    scored = iter(_scores(engine, [read.prepared for read in batch if isinstance(read, _Read)], maps=maps))
    for sample, result in zip(samples, batch, strict=True):
        if isinstance(result, ReadFailure):
            yield ImageScore(sample, math.nan, error=result.message)
        elif (score_and_map := next(scored)) is None:
            yield ImageScore(sample, math.nan, error=f"{sample.address}: {TOO_LARGE}")
        else:
            yield ImageScore(
                sample,
                score_and_map[0],
                map=_in_image(score_and_map[1], result.seen),
                quality=result.quality,
                statistics=result.statistics,
                perceptual_hash=result.perceptual_hash,
                inside=result.seen.inside_image if maps else None,
                unaligned=result.unaligned,
            )


def _scores(
    engine: Engine, prepared: Sequence[Any], *, maps: bool
) -> Sequence[tuple[float, NDArray[np.float32] | None] | None]:
    """Score a batch, and each image alone if there is too little memory; ``None`` for one that takes too much."""
    if not prepared:
        return []
    try:
        with naming_exhaustion():
            return list(zip(*engine.score(prepared, maps=maps), strict=True))
    except MemoryError:
        if len(prepared) == 1:
            return [None]
    return [score for image in prepared for score in _scores(engine, [image], maps=maps)]


def _require_finite(row: ImageScore) -> ImageScore:
    """Make an error of a score that is no finite number: compared with a threshold, NaN would pass for good."""
    if row.error or math.isfinite(row.score):
        return row
    return ImageScore(
        row.sample,
        math.nan,
        error=f"{row.sample.address}: the score is not finite ({row.score}): the model computes no number for this "
        "image; if it does so for every image, fit the model again",
    )
