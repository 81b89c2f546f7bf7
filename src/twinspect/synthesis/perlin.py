"""Gradient noise (Perlin, SIGGRAPH 1985 and 2002), and the random blobs that its peaks make.

Noise on a grid of pixels is separable: along each axis a pixel knows only its two nearest lattice lines. So the
weights of all pixels form one thin matrix an axis, and the noise is two products of matrices instead of gathering
eight numbers a pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

THRESHOLD = 0.5
"""Noise above it becomes mask, where noise ranges over -1..1."""
MAX_LOG2_CELLS = 5
"""Lattices have 2^0 to 2^5 cells along an axis."""


def gradient_noise(gradients: Floats, rows: Floats, columns: Floats) -> Floats:
    """Evaluate Perlin noise of given gradients, blended with 6t^5 - 15t^4 + 10t^3, on a grid of positions.

    Args:
        gradients: (m + 1, n + 1, 2), a vector (down, right) for every corner of a lattice of m x n cells.
        rows: (H,) positions from 0 to m, in cells.
        columns: (W,) positions from 0 to n, in cells.

    Returns:
        (H, W) float32: with gradients of length 1 within -0.71..0.71, and 0 at the corners of the lattice.
    """
    down, down_ramp = _weights(rows, gradients.shape[0] - 1)
    right, right_ramp = _weights(columns, gradients.shape[1] - 1)
    noise: Floats = down_ramp @ gradients[..., 0] @ right.T
    noise += down @ gradients[..., 1] @ right_ramp.T
    return noise


def perlin(shape: tuple[int, int], cells: tuple[int, int], random: np.random.Generator) -> Floats:
    """Draw Perlin noise that is turned by a random angle of up to 90 degrees.

    It is cut from a larger square of noise, so that the rotation leaves no corner of the image empty.

    Args:
        shape: height and width in pixels, which need not be multiples of ``cells``.
        cells: how many cells of the lattice, before the turn, the height and the width hold.
        random: decides gradients and angle.

    Returns:
        (height, width) float32 within -1..1.
    """
    diagonal = math.ceil(math.hypot(*shape)) + 2  # one more pixel at each side to interpolate with
    rows, columns = (
        np.arange(diagonal, dtype=np.float32) * np.float32(count / side)
        for count, side in zip(cells, shape, strict=True)
    )
    corners = (math.ceil(rows[-1]) + 1, math.ceil(columns[-1]) + 1)
    angles = random.uniform(0, 2 * np.pi, corners).astype(np.float32)
    noise = gradient_noise(np.stack([np.sin(angles), np.cos(angles)], axis=-1), rows, columns)
    # sqrt(2) stretches the range of two-dimensional noise to -1..1.
    return _rotate(noise * np.float32(math.sqrt(2)), shape, random.uniform(-np.pi / 2, np.pi / 2))


def random_cells(random: np.random.Generator) -> tuple[int, int]:
    """Draw how fine noise is: 2^0 to 2^5 cells along the height and along the width."""
    rows, columns = (2 ** random.integers(0, MAX_LOG2_CELLS + 1, 2)).tolist()
    return rows, columns


def perlin_mask(
    shape: tuple[int, int], cells: tuple[int, int], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw random blobs: Perlin noise, turned, above 0.5.

    Args:
        shape: height and width in pixels.
        cells: as for :func:`perlin`.
        random: decides everything.

    Returns:
        (height, width) bool; may be empty.
    """
    mask: NDArray[np.bool_] = perlin(shape, cells, random) > THRESHOLD
    return mask


def _weights(positions: Floats, cells: int) -> tuple[Floats, Floats]:
    """Weigh lattice lines at positions along one axis.

    Returns:
        (N, cells + 1) how much each line counts, and the same times the distance from the line to the position.
    """
    before = np.minimum(positions.astype(np.intp), cells - 1)
    t = (positions - before).astype(np.float32)
    fade = t**3 * (t * (6 * t - 15) + 10)
    weights = np.zeros((len(positions), cells + 1), np.float32)
    ramps = np.zeros_like(weights)
    indices = np.arange(len(positions))
    weights[indices, before], weights[indices, before + 1] = 1 - fade, fade
    ramps[indices, before], ramps[indices, before + 1] = (1 - fade) * t, fade * (t - 1)
    return weights, ramps


def _rotate(square: Floats, shape: tuple[int, int], angle: float) -> Floats:
    """Cut (height, width) out of the middle of a larger square, at an angle, with bilinear interpolation."""
    height, width = shape
    cosine, sine, middle = math.cos(angle), math.sin(angle), len(square) / 2
    # For an output pixel (x, y): where in the square it comes from.
    coefficients = (
        *(cosine, sine, middle - (cosine * width + sine * height) / 2),
        *(-sine, cosine, middle - (cosine * height - sine * width) / 2),
    )
    turned = Image.fromarray(square).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(turned)
