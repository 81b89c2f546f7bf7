"""The normal images of an int8 export: those that value ranges are measured on, and those held out to check it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from twinspect.data.opening import open_good
from twinspect.data.pixels import read_pixels
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError
from twinspect.export.parity_images import crop_or_repeat
from twinspect.synthesis import Synthesizer
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.data import DataSource

MOST: Final = 200
"""Images that are used, evenly spaced; more hardly widen the ranges."""
LEAST: Final = 12
"""With fewer, less than four would be held out, which with their anomalies make twelve."""
HELD_OUT: Final = 3
"""One image in so many is held out."""
MOST_HELD_OUT: Final = 40
MOST_BYTES: Final = 2**29
"""Memory that held-out images and those drawn from them may take; of large images, fewer are used."""
KINDS: Final = ("draem", "cutpaste")
"""The anomalies that are drawn on every held-out image: a foreign texture, and a piece of the image elsewhere."""


@dataclass(frozen=True)
class LazyImages(Sequence["NDArray[np.uint8]"]):
    """Images that are read when they are indexed: (H, W, 3) uint8 RGB.

    Attributes:
        samples: the files.
        size: height and width that all are cropped, or repeated, to; ``None`` for their own.
        bits: significant bits of 16-bit files.
    """

    samples: Sequence[Sample]
    size: tuple[int, int] | None
    bits: int | None

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LazyImages: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LazyImages:
        if isinstance(index, slice):
            return replace(self, samples=self.samples[index])
        rgb = read_pixels(self.samples[index], bits=self.bits)
        return np.ascontiguousarray(rgb if self.size is None else crop_or_repeat(rgb, self.size))


def split_good(
    good: DataSource, size: tuple[int, int] | None, bits: int | None
) -> tuple[LazyImages, LazyImages]:
    """Choose normal images and split them: those to measure value ranges on, and those held out.

    Args:
        good: good images: of a data set its training split, of a plain folder all.
        size: see :class:`LazyImages`.
        bits: significant bits of 16-bit files.

    Raises:
        ConfigError: there are too few.
        DataError: there is nothing there.
    """
    images = open_good(good)
    if len(images) < LEAST:
        raise ConfigError(
            f"{len(images)} good images; int8 needs {LEAST} or more, to measure value ranges on and to check the "
            "result by, and does better with a hundred"
        )
    samples = evenly_spaced(images, MOST)
    ranges = [sample for number, sample in enumerate(samples) if number % HELD_OUT]
    return LazyImages(ranges, size, bits), LazyImages(samples[::HELD_OUT], size, bits)


def with_anomalies(held_out: LazyImages) -> list[Sample]:
    """Read held-out images, and draw anomalies on them: the same ones every time.

    Returns:
        Each image, followed by a copy for every kind of anomaly; all with pixels.

    Raises:
        ImageError: an image cannot be read.
    """
    samples: list[Sample] = []
    for number, sample in enumerate(held_out.samples[:MOST_HELD_OUT]):
        rgb = held_out[number]
        if number and sum(map(_bytes, samples)) + (1 + len(KINDS)) * rgb.nbytes > MOST_BYTES:
            break
        samples.append(_sample(sample, "", rgb))
        for kind in KINDS:
            drawn = Synthesizer(kind, normal_share=0.0)(rgb[None], [number])
            samples.append(_sample(sample, kind, drawn.images[0]))
    return samples


def _sample(source: Sample, kind: str, rgb: NDArray[np.uint8]) -> Sample:
    name = f"{source.name}, {kind}" if kind else source.name
    return Sample(Path(name), name, label=kind or source.label, category=source.category, pixels=rgb)


def _bytes(sample: Sample) -> int:
    return 0 if sample.pixels is None else sample.pixels.nbytes
