"""Simplex noise (Perlin 2001) in three dimensions, and octaves of it.

Space is cut into tetrahedra of one shape. A point hears only the four corners of its own: each adds a ramp along a
pseudorandom direction, which fades out with the distance from the corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

SKEW, UNSKEW = 1 / 3, 1 / 6
"""Turn tetrahedra into halves of cubes' sixths, and back."""
REACH = 0.5
"""Square of the distance at which a corner is no longer heard; the noise is continuous up to this one."""
SCALE = 76.0
"""Brings the noise to -1..1."""
DIRECTIONS = np.array(
    [
        *((1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0)),
        *((1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)),
        *((0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1)),
    ],
    dtype=np.float64,
)
"""From the middle of a cube to the middles of its edges."""
WAVELENGTH = 32.0
"""Of the first octave, in pixels; each further one has half."""


def simplex_noise(points: Floats, table: Integers) -> Floats:
    """Evaluate simplex noise.

    Args:
        points: (..., 3), in units of about one tetrahedron.
        table: (256,) a permutation of 0..255, which decides the directions.

    Returns:
        (...), in -1..1; 0 at the origin.
    """
    cells = np.floor(points + SKEW * points.sum(axis=-1, keepdims=True)).astype(np.int64)
    first = points - (cells - UNSKEW * cells.sum(axis=-1, keepdims=True))
    # The way to the opposite corner goes along the largest coordinate first.
    ranks = np.argsort(np.argsort(-first, axis=-1, kind="stable"), axis=-1, kind="stable")
    noise = np.zeros(points.shape[:-1])
    for corner in range(4):
        offsets = (ranks < corner).astype(np.int64)
        distances = first - offsets + corner * UNSKEW
        fading = np.maximum(REACH - np.square(distances).sum(axis=-1), 0)
        noise += fading**4 * (_directions(cells + offsets, table) * distances).sum(axis=-1)
    return SCALE * noise


def simplex_octaves(
    shape: tuple[int, int, int], random: np.random.Generator, octaves: int = 6, persistence: float = 0.6
) -> Floats:
    """Draw octaves of simplex noise on a grid of pixels.

    Args:
        shape: depth, height and width; the planes of the depth are one pixel apart.
        random: decides the directions.
        octaves: how many; the first has a wavelength of 32 pixels, each further one half of the one before.
        persistence: amplitude of an octave, as a share of the one before; the first has 1.

    Returns:
        Float64 of that shape, within the sum of the amplitudes around 0.
    """
    table = random.permutation(256)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) / WAVELENGTH
    noise = np.zeros(shape)
    for octave in range(octaves):
        noise += persistence**octave * simplex_noise(points * 2**octave, table)
    return noise


def _directions(corners: Integers, table: Integers) -> Floats:
    """Choose a direction for each corner, (..., 3)."""
    hashed = np.zeros(corners.shape[:-1], np.int64)
    for axis in range(3):
        hashed = table[(hashed + corners[..., axis]) & 255]
    directions: Floats = DIRECTIONS[hashed % len(DIRECTIONS)]
    return directions
