"""Simplex noise against a plain loop over its definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from twinspect.synthesis.simplex import DIRECTIONS, simplex_noise, simplex_octaves

TABLE = np.random.default_rng(0).permutation(256)


def corners_of_space(point: np.ndarray) -> list[np.ndarray]:
    """All lattice corners near a point, in the skewed coordinates in which they are integers."""
    skewed = np.floor(point + point.sum() / 3).astype(int)
    return [skewed + np.array(offset) for offset in itertools.product((-1, 0, 1, 2), repeat=3)]


def by_definition(point: np.ndarray) -> float:
    """Sum over all corners of space: those beyond the four of the tetrahedron are out of reach."""
    total = 0.0
    for corner in corners_of_space(point):
        distance = point - (corner - corner.sum() / 6)
        fading = max(0.5 - float(distance @ distance), 0.0)
        hashed = TABLE[(TABLE[(TABLE[corner[0] & 255] + corner[1]) & 255] + corner[2]) & 255]
        total += fading**4 * float(DIRECTIONS[hashed % 12] @ distance)
    return 76 * total


def test_noise_is_what_its_definition_says() -> None:
    points = np.random.default_rng(1).uniform(-20, 20, (60, 3))
    expected = [by_definition(point) for point in points]
    np.testing.assert_allclose(simplex_noise(points, TABLE), expected, atol=1e-12)


def test_it_is_continuous_and_within_its_range() -> None:
    random = np.random.default_rng(2)
    points = random.uniform(-50, 50, (40_000, 3))
    noise = simplex_noise(points, TABLE)
    moved = simplex_noise(points + random.normal(0, 1e-5, points.shape), TABLE)
    assert np.abs(moved - noise).max() < 1e-3
    assert 0.9 < np.abs(noise).max() <= 1
    assert abs(noise.mean()) < 0.01
    assert simplex_noise(np.zeros((1, 3)), TABLE)[0] == 0


@pytest.mark.parametrize("shape", [(3, 10, 31), (1, 4, 4)])
def test_octaves_add_up(shape: tuple[int, int, int]) -> None:
    found = simplex_octaves(shape, np.random.default_rng(3), octaves=3, persistence=0.5)
    table = np.random.default_rng(3).permutation(256)
    grid = np.stack(np.indices(shape), axis=-1).astype(float)
    expected = sum(0.5**n * simplex_noise(grid / 32 * 2**n, table) for n in range(3))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.abs(found).max() <= 1 + 0.5 + 0.25


def test_the_seed_decides() -> None:
    first, again, other = (simplex_octaves((3, 9, 9), np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert math.isclose(len({tuple(direction) for direction in DIRECTIONS}), 12)
