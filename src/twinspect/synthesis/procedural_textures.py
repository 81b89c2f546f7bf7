"""Patterns that nobody photographed, drawn so that their opposite edges meet: noise, gratings, cells, blotches.

They stand in for a folder of textures: no download, no licence, and more kinds of structure than one product has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

SIDE = 256
"""Of every pattern, in pixels."""
COUNT = 48
"""Patterns in a pool: 9 MiB, drawn in about half a second."""


@lru_cache(maxsize=2)
def pattern_pool(seed: int) -> Pixels:
    """Draw patterns of all kinds in turn; drawn once a process.

    Args:
        seed: pattern k depends on it and k alone.

    Returns:
        (48, 256, 256, 3) uint8, not writable; repeated side by side, they join without a seam.
    """
    pool = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    for number in range(COUNT):
        pool[number] = PATTERNS[number % len(PATTERNS)](np.random.default_rng([seed, number]))
    pool.flags.writeable = False
    return pool


def noise(random: Random) -> Pixels:
    """Coloured noise with the spectrum 1/f^a, a from 0.5 (grainy) to 2 (cloudy)."""
    layers = np.stack([_spectral(random, random.uniform(0.5, 2)) for _ in range(3)], axis=-1)
    mixing = random.normal(size=(3, 3)) * random.uniform(10, 40)
    return _to_pixels(layers @ mixing + _colour(random))


def grating(random: Random) -> Pixels:
    """Stripes of two colours, soft or hard, straight or wavy."""
    down, right = random.integers(-24, 25, 2)  # whole waves a side, so that the edges meet
    rows, columns = _axes()
    phase = 2 * np.pi * (down * rows + (right or 1) * columns)
    phase = phase + random.uniform(0, 2) * _spectral(random, 2)
    wave = np.tanh(np.sin(phase) * random.uniform(0.5, 8))
    return _interpolate(wave / 2 + 0.5, random)


def cells(random: Random) -> Pixels:
    """Voronoi cells: grains of their own colour, with or without a joint between them."""
    from scipy.spatial import cKDTree  # noqa: PLC0415

    points = random.random((random.integers(20, 400), 2))
    rows, columns = _axes()
    pixels = np.stack(np.broadcast_arrays(rows, columns), axis=-1).reshape(-1, 2)
    distances, nearest = cKDTree(points, boxsize=1).query(pixels, k=2)
    colours = _colour(random) + random.normal(0, random.uniform(5, 60), (len(points), 3))
    width = random.uniform(0, 0.5) / np.sqrt(len(points))
    inside = np.clip((distances[:, 1] - distances[:, 0]) / (width + 1e-6), 0, 1)[:, None]
    grains = colours[nearest[:, 0]] * inside + _colour(random) * (1 - inside)
    return _to_pixels(grains.reshape(SIDE, SIDE, 3) + _grain(random))


def blotches(random: Random) -> Pixels:
    """Two colours with a ragged border between them, like rust, mould or a stain."""
    ragged = _spectral(random, random.uniform(1.2, 1.9)) - random.normal(0, 0.7)
    return _interpolate(1 / (1 + np.exp(-ragged * random.uniform(1, 20))), random)


PATTERNS: tuple[Callable[[Random], Pixels], ...] = (noise, grating, cells, blotches)


def _spectral(random: Random, falloff: float) -> Floats:
    """Draw (256, 256) noise whose amplitude falls with frequency f as 1/f^falloff: mean 0, variance 1, seamless."""
    from scipy import fft  # noqa: PLC0415

    frequency = np.hypot(fft.fftfreq(SIDE)[:, None], fft.rfftfreq(SIDE)[None]).astype(np.float32)
    frequency[0, 0] = np.inf  # no mean
    spectrum = fft.rfft2(random.standard_normal((SIDE, SIDE), np.float32)) / frequency**falloff
    drawn: Floats = fft.irfft2(spectrum, s=(SIDE, SIDE))
    drawn /= drawn.std()
    return drawn


def _axes() -> tuple[Floats, Floats]:
    """Return (256, 1) rows and (1, 256) columns from 0 to below 1."""
    axis = np.arange(SIDE, dtype=np.float32) / SIDE
    return axis[:, None], axis[None]


def _interpolate(weight: Floats, random: Random) -> Pixels:
    """Colour a (256, 256) weight of 0..1 from one random colour to another, with a little grain."""
    share = weight[..., None]
    return _to_pixels(_colour(random) * (1 - share) + _colour(random) * share + _grain(random))


def _colour(random: Random) -> Floats:
    """Draw one colour; natural ones are mostly grey, so half of it is shared by R, G and B."""
    colour: Floats = (random.uniform(0, 255) + random.uniform(0, 255, 3)) / 2
    return colour.astype(np.float32)


def _grain(random: Random) -> Floats:
    grain: Floats = random.standard_normal((SIDE, SIDE, 1), np.float32)
    grain *= np.float32(random.uniform(0, 12))
    return grain


def _to_pixels(values: Floats) -> Pixels:
    clipped: Floats = np.clip(values, 0, 255)
    return clipped.astype(np.uint8)
