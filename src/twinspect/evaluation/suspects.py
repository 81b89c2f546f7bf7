"""Which of the good images may not be good: those that look unlike the others, and copies.

No method and no fit is needed. Every image is cut into patches, described by the teacher that ships; a patch is as
strange as it is far from the nearest patches of those images, among a few of the others, that have the most similar
ones. An average over a third of them keeps a defect strange that several images share. An image is as strange as the
strangest hundredth of its patches: defects are small. Mutual scoring of unlabelled images as anomaly detection: Li et
al., ICLR 2024.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F

from twinspect.data.pixels import named, read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.images.perceptual_hash import duplicate_pairs, perceptual_hash
from twinspect.model.preprocessing import Preprocessing, as_batch
from twinspect.teachers import create_teacher
from twinspect.utils.even_sampling import evenly_spaced
from twinspect.utils.progress import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.data.samples import Sample

TEACHER: Final = "pocket"
SIDE: Final = 256
"""Images are resized to this, in pixels: small defects still show, and it is cheap."""
LEVEL: Final = 2
"""Of the teacher: 16 x 16 patches. Features of lower levels differ as much from one good image to the next."""
COMPARED: Final = 32
"""Other images that each image is compared with, evenly spaced among those of its category."""
NEAREST_SHARE: Final = 0.3
"""Share of them, those with the most similar patches, whose distances are averaged."""
STRANGEST_SHARE: Final = 0.01
"""Share of the patches of an image, the strangest, whose distances are averaged."""
FEWEST: Final = 8
"""With fewer images in a category nobody can tell which is unlike the others."""
FAR: Final = 3.5
"""Suspects lie so many robust standard deviations above the median: the usual limit where these come from the median
of deviations (Iglewicz & Hoaglin 1993), on a logarithmic scale, since good images' scores are skewed. If their
logarithms are normally distributed, one good image in 4300 is a suspect."""
MAD_OF_NORMAL: Final = 0.6745
"""Median of the absolute deviation from the median, in standard deviations of a normal distribution."""
ROUNDING: Final = 1e-4
"""Relative difference below which scores are equal."""
_BATCH: Final = 16


@dataclass(frozen=True)
class Suspects:
    """What was found in a set of good images.

    Attributes:
        strangeness: of each image that was looked at, from 0 for the median of its category; above 1 for suspects.
        duplicates: pairs of images that are the same or nearly, by a perceptual hash.
        images: how many there are, those that could not be read or for which there was no time included.
        unreadable: why images could not be read, by name.
    """

    strangeness: dict[str, float]
    duplicates: tuple[tuple[str, str], ...]
    images: int
    unreadable: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The suspects, the strangest first."""
        return tuple(name for name in self.ranked() if self.strangeness[name] > 1)

    def ranked(self) -> tuple[str, ...]:
        """All images that were looked at, the strangest first."""
        return tuple(sorted(self.strangeness, key=lambda name: (-self.strangeness[name], name)))

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "images": self.images,
            "looked_at": len(self.strangeness),
            "suspects": list(self.names),
            "strangeness": {name: round(self.strangeness[name], 4) for name in self.ranked()},
            "near_duplicates": [list(pair) for pair in self.duplicates],
            "unreadable": self.unreadable,
        }


def find_suspects(
    samples: Sequence[Sample],
    *,
    bits: int | None = None,
    workers: int | None = None,
    seconds: float | None = None,
) -> Suspects:
    """Compare good images with each other, category by category.

    Args:
        samples: images that are taken for good.
        bits: significant bits of 16-bit files.
        workers: threads that read; ``None`` for the number of processors, at most 8.
        seconds: how long it may take, about: of more images than there is time for, evenly spaced ones are looked at;
            ``None`` for all.
    """
    reader = _Reader(bits, workers)
    categories: dict[str, list[Sample]] = {}
    for sample in samples:
        categories.setdefault(sample.category, []).append(sample)
    groups = [group for group in categories.values() if len(group) >= FEWEST]
    total = sum(len(group) for group in groups)
    strangeness: dict[str, float] = {}
    for group in groups:
        share = None if seconds is None else seconds * len(group) / total
        strangeness |= standardized(_score_category(reader, group, share))
    names = list(reader.hashes)
    pairs = duplicate_pairs([reader.hashes[name] for name in names])
    duplicates = tuple((names[first], names[second]) for first, second in pairs)
    return Suspects(strangeness, duplicates, len(samples), reader.unreadable)


def strangeness_of(patches: Tensor, others: Sequence[Tensor]) -> float:
    """Say how far an image is from some others.

    Args:
        patches: (P, C) float32, those of the image.
        others: those of each of the others, at least one.

    Returns:
        A mean distance of features, 0 or more.
    """
    squares = torch.stack([_nearest_squares(patches, other) for other in others], dim=1)
    count = max(1, round(NEAREST_SHARE * len(others)))
    distances = squares.topk(count, dim=1, largest=False).values.mean(dim=1).sqrt()
    return float(distances.topk(max(1, round(STRANGEST_SHARE * len(patches)))).values.mean())


def _nearest_squares(patches: Tensor, others: Tensor) -> Tensor:
    """Give the squared distance of each patch to the nearest of others, (P,)."""
    products = torch.addmm(others.square().sum(dim=1)[None], patches, others.T, alpha=-2)
    return (products.amin(dim=1) + patches.square().sum(dim=1)).clamp_min(0)


def _score_category(reader: _Reader, samples: Sequence[Sample], seconds: float | None) -> dict[str, float]:
    began = time.monotonic()
    references = dict(reader.read(evenly_spaced(samples, COMPARED)))
    if len(references) < 2:
        return {}
    chosen: Sequence[Sample] = samples
    if seconds is not None:  # to compare an image takes about as long as to read it
        each = 2 * (time.monotonic() - began) / len(references)
        chosen = evenly_spaced(samples, max(len(references), int(seconds / each)))
    unread = [sample for sample in chosen if sample.name not in references]
    found = chain(references.items(), reader.read(unread))
    rows = tracked("compare the images with each other", found, len(references) + len(unread))
    return {
        name: strangeness_of(patches, [other for key, other in references.items() if key != name])
        for name, patches in rows
    }


def standardized(scores: dict[str, float]) -> dict[str, float]:
    """Set scores in relation to what is usual: 0 for the median, above 1 for suspects.

    What is usual follows from medians, which a few defects hardly move.

    Args:
        scores: by name, 0 or more.

    Returns:
        By name; empty for too few.
    """
    if len(scores) < FEWEST:
        return {}
    values = np.array(list(scores.values()))
    least = max(ROUNDING * float(np.median(values)), np.finfo(np.float32).tiny)
    logarithms = np.log(np.maximum(values, least))
    deviations = logarithms - np.median(logarithms)
    limit = FAR * max(float(np.median(np.abs(deviations))) / MAD_OF_NORMAL, ROUNDING)
    return dict(zip(scores, (deviations / limit).tolist(), strict=True))


class _Reader:
    """Reads images as patches, and keeps what else was found out about them.

    Attributes:
        hashes: the perceptual hash of each image that was read, by name.
        unreadable: why others could not be read, by name.
    """

    def __init__(self, bits: int | None, workers: int | None) -> None:
        self._teacher = create_teacher(TEACHER)
        self._preprocessing = Preprocessing((SIDE, SIDE), 0, self._teacher.mean, self._teacher.std)
        self._read = partial(self._read_one, bits)
        self._workers = workers
        self.hashes: dict[str, bytes] = {}
        self.unreadable: dict[str, str] = {}

    def read(self, samples: Sequence[Sample]) -> Iterator[tuple[str, Tensor]]:
        """Give name and patches, (P, C) float32, of each image that can be read."""
        results = zip(samples, read_samples(samples, self._read, workers=self._workers), strict=True)
        batch: list[tuple[str, Tensor]] = []
        for number, (sample, result) in enumerate(results, start=1):
            if isinstance(result, ReadFailure):
                self.unreadable[sample.name] = result.message
            else:
                self.hashes[sample.name] = result[1]
                batch.append((sample.name, result[0]))
            if batch and (len(batch) == _BATCH or number == len(samples)):
                names, images = zip(*batch, strict=True)
                yield from zip(names, self._describe(torch.stack(images)), strict=True)
                batch = []

    def _read_one(self, bits: int | None, sample: Sample) -> tuple[Tensor, bytes]:
        rgb: NDArray[np.uint8] = read_pixels(sample, bits=bits)
        with named(sample):
            return self._preprocessing.apply(as_batch(rgb))[0], perceptual_hash(rgb)

    def _describe(self, images: Tensor) -> Tensor:
        """Average the teacher's features over 3 x 3 neighbours, (B, P, C)."""
        with torch.no_grad():
            features = self._teacher(images)[LEVEL]
        smoothed = F.avg_pool2d(F.pad(features, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return smoothed.flatten(2).transpose(1, 2).contiguous()
