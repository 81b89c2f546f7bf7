"""Outlines of defects: how much of each pixel they cover."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Random = np.random.Generator

LINE_WIDTH = 1 / 10
"""Width of a line by its length."""
MOST_BEND = 0.12
"""How far a line may bend away from straight, by its length."""
SOFT_EDGE = 0.4
"""Share of its radius over which a soft shape fades out."""
_FINE = 4
"""Points along each side of a pixel that are asked whether they are covered."""


def disc(length: float, random: Random) -> Floats:
    """Cover an ellipse, nearly a disc.

    Args:
        length: its longest diameter, in pixels.
        random: decides the rest.

    Returns:
        (n, n) float32 in [0, 1], the covered share of each pixel.
    """
    down, right = _turned(length, random)
    aspect = random.uniform(0.75, 1)
    return _covered(np.hypot(down, right / aspect) <= length / 2)


def line(length: float, random: Random) -> Floats:
    """Cover a thin line, straight or slightly bent; arguments and result as for :func:`disc`."""
    down, right = _turned(length, random)
    bend = random.uniform(-MOST_BEND, MOST_BEND) * length
    offset = right - bend * ((2 * down / length) ** 2 - 0.5)
    return _covered((np.abs(down) <= length / 2) & (np.abs(offset) <= LINE_WIDTH * length / 2))


def blob(length: float, random: Random) -> Floats:
    """Cover an irregular patch; arguments and result as for :func:`disc`."""
    down, right = _turned(length, random)
    return _covered(np.hypot(down, right) <= _radius(down, right, length, random))


def soft_blob(length: float, random: Random) -> Floats:
    """Cover an irregular patch that fades out; arguments and result as for :func:`disc`."""
    down, right = _turned(length, random)
    radius = _radius(down, right, length, random)
    return _covered(np.clip((radius - np.hypot(down, right)) / (SOFT_EDGE * radius), 0, 1))


def _turned(length: float, random: Random) -> tuple[Floats, Floats]:
    """Give points around the middle of a square that holds a shape, (n, n) each, turned by a random angle."""
    side = math.ceil(length) + 1
    axis = (np.arange(_FINE * side, dtype=np.float32) + 0.5) / _FINE - side / 2
    angle = random.uniform(0, math.pi)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return axis[:, None] * cosine + axis * sine, axis * cosine - axis[:, None] * sine


def _radius(down: Floats, right: Floats, length: float, random: Random) -> Floats:
    """Draw a radius that varies with the direction, at most half the length."""
    direction = np.arctan2(down, right)
    waves = [
        random.uniform(0, 0.3) / k * np.cos(k * direction + random.uniform(0, 2 * math.pi))
        for k in range(2, 6)
    ]
    radius = 1 + np.sum(waves, axis=0)
    shown: Floats = (radius * (length / 2 / radius.max())).astype(np.float32)
    return shown


def _covered(points: NDArray[np.bool_] | Floats) -> Floats:
    """Average the points of each pixel."""
    side = len(points) // _FINE
    covered: Floats = points.reshape(side, _FINE, side, _FINE).mean(axis=(1, 3), dtype=np.float32)
    return covered
