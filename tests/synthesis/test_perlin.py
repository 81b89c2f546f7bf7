"""Perlin noise against a plain loop over its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twinspect.synthesis.perlin import _rotate, gradient_noise, perlin, perlin_mask, random_cells


def unit_vectors(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (rows + 1, columns + 1))
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


def by_definition(gradients: np.ndarray, y: float, x: float) -> float:
    top = min(int(y), len(gradients) - 2)
    left = min(int(x), len(gradients[0]) - 2)

    def corner(row: int, column: int) -> float:
        down, right = gradients[row][column].tolist()
        return down * (y - row) + right * (x - column)

    def between(a: float, b: float, t: float) -> float:
        return a + (6 * t**5 - 15 * t**4 + 10 * t**3) * (b - a)

    above = between(corner(top, left), corner(top, left + 1), x - left)
    below = between(corner(top + 1, left), corner(top + 1, left + 1), x - left)
    return between(above, below, y - top)


@pytest.mark.parametrize(("cells", "size"), [((1, 1), (7, 5)), ((4, 2), (16, 30)), ((8, 32), (37, 53))])
def test_noise_is_what_its_definition_says(cells: tuple[int, int], size: tuple[int, int]) -> None:
    gradients = unit_vectors(*cells)
    rows, columns = (
        np.linspace(0, count, side, dtype=np.float32) for count, side in zip(cells, size, strict=True)
    )
    noise = gradient_noise(gradients, rows, columns)
    expected = [[by_definition(gradients, float(y), float(x)) for x in columns] for y in rows]
    assert noise.shape == size
    assert noise.dtype == np.float32
    np.testing.assert_allclose(noise, expected, atol=2e-5)


def test_noise_is_zero_at_the_lattice_and_continuous_across_it() -> None:
    gradients = unit_vectors(6, 5)
    rows, columns = np.arange(7, dtype=np.float32), np.arange(6, dtype=np.float32)
    assert not gradient_noise(gradients, rows, columns).any()
    step = 1e-3
    fine = np.arange(0.9, 3.1, step, dtype=np.float32)  # two lattice lines are crossed
    noise = gradient_noise(gradients, fine, fine)
    steepest = max(np.abs(np.diff(noise, axis=0)).max(), np.abs(np.diff(noise, axis=1)).max())
    assert noise.std() > 0.1
    assert steepest < 4 * step


def test_turning_is_exact_for_a_plane() -> None:
    side, shape, angle = 40, (20, 26), 0.7
    rows, columns = np.mgrid[:side, :side] + 0.5  # pixel centres
    turned = _rotate((3 * rows - 2 * columns).astype(np.float32), shape, angle)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    y, x = y - shape[0] / 2, x - shape[1] / 2
    row = side / 2 - math.sin(angle) * x + math.cos(angle) * y
    column = side / 2 + math.cos(angle) * x + math.sin(angle) * y
    np.testing.assert_allclose(turned, 3 * row - 2 * column, atol=1e-3)


@pytest.mark.parametrize("shape", [(256, 256), (100, 37), (8, 300)])
def test_turned_noise_fills_its_range_and_every_corner(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    drawn = np.stack([perlin(shape, (8, 4), random) for _ in range(30)])
    assert drawn.shape == (30, *shape)
    assert 0.6 < np.abs(drawn).max() <= 1.0001
    assert abs(drawn.mean()) < 0.1
    corners = drawn[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (np.abs(corners) > 1e-4).mean() > 0.9


def test_masks_are_part_of_the_image_and_follow_the_seed() -> None:
    def draw(seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        return np.stack([perlin_mask((64, 96), random_cells(random), random) for _ in range(60)])

    masks = draw(0)
    assert masks.dtype == np.bool_
    assert masks.shape == (60, 64, 96)
    assert 0.01 < masks.mean() < 0.2
    assert masks.any(axis=0).mean() > 0.9  # no place is spared
    np.testing.assert_array_equal(masks, draw(0))
    assert (masks != draw(1)).any()


def test_noise_is_as_fine_as_each_power_of_two_up_to_32() -> None:
    random = np.random.default_rng(0)
    drawn = [random_cells(random) for _ in range(600)]
    for axis in range(2):
        counts = np.unique([cells[axis] for cells in drawn], return_counts=True)
        assert counts[0].tolist() == [1, 2, 4, 8, 16, 32]
        assert counts[1].min() > 60
