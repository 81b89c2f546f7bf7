"""The normal images of an integer export: those that ranges are measured on, and those held out to judge it by."""

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
from twinspect.export.parity_images import fitted
from twinspect.synthesis import Synthesizer
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.data import DataSource

MOST: Final = 200
"""Images that are used, evenly spaced; ranges hardly grow with more."""
LEAST: Final = 12
"""Below this there would be fewer than four to judge by, which with their anomalies make twelve."""
HELD_OUT: Final = 3
"""One image in so many is held out."""
MOST_HELD_OUT: Final = 40
MOST_BYTES: Final = 2**29
"""Memory that held-out images and those drawn from them may take; where images are large they are fewer."""
KINDS: Final = ("draem", "cutpaste")
"""The anomalies that are drawn on every held-out image: a foreign texture, and a piece of the image elsewhere."""


@dataclass(frozen=True)
class Pixels(Sequence["NDArray[np.uint8]"]):
    """Images of files, read when they are asked for: (H, W, 3) uint8 RGB.

    Attributes:
        samples: the files.
        size: height and width that all are cut, or repeated, to; ``None`` for their own.
        bits: significant bits of 16-bit files.
    """

    samples: Sequence[Sample]
    size: tuple[int, int] | None
    bits: int | None

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, place: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, place: slice) -> Pixels: ...
    def __getitem__(self, place: int | slice) -> NDArray[np.uint8] | Pixels:
        if isinstance(place, slice):
            return replace(self, samples=self.samples[place])
        sample = self.samples[place]
        rgb = read_pixels(sample, bits=self.bits)
        return np.ascontiguousarray(rgb if self.size is None else fitted(rgb, self.size))


def divided(good: DataSource, size: tuple[int, int] | None, bits: int | None) -> tuple[Pixels, Pixels]:
    """Choose normal images: to measure ranges on, and to judge by.

    Args:
        good: good images; those of a data set's training split are meant, or all in a plain folder.
        size: see :class:`Pixels`.
        bits: likewise.

    Raises:
        ConfigError: they are too few.
        DataError: there is nothing there.
    """
    found = open_good(good)
    if len(found) < LEAST:
        raise ConfigError(
            f"{len(found)} good images; int8 needs {LEAST} or more, to measure ranges on and to judge it by, and "
            "does better with a hundred"
        )
    chosen = evenly_spaced(found, MOST)
    ranges = [sample for place, sample in enumerate(chosen) if place % HELD_OUT]
    return Pixels(ranges, size, bits), Pixels(chosen[::HELD_OUT], size, bits)


def with_anomalies(held_out: Pixels) -> list[Sample]:
    """Read held-out images, and draw anomalies on them: the same ones at any time.

    Returns:
        Each image, and after it one of every kind of anomaly on it, with pixels.

    Raises:
        ImageError: an image cannot be read.
    """
    found: list[Sample] = []
    for number, sample in enumerate(held_out.samples[:MOST_HELD_OUT]):
        rgb = held_out[number]
        if number and sum(_bytes(each) for each in found) + (1 + len(KINDS)) * rgb.nbytes > MOST_BYTES:
            break
        found.append(_sample(sample, "", rgb))
        for kind in KINDS:
            drawn = Synthesizer(kind, normal_share=0.0)(rgb[None], [number])
            found.append(_sample(sample, kind, drawn.images[0]))
    return found


def _sample(source: Sample, kind: str, rgb: NDArray[np.uint8]) -> Sample:
    name = f"{source.name}, {kind}" if kind else source.name
    return Sample(Path(name), name, label=kind or source.label, category=source.category, pixels=rgb)


def _bytes(sample: Sample) -> int:
    return 0 if sample.pixels is None else sample.pixels.nbytes
