"""Looking up good patches, against comparing every place in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinspect.regions.good_patches import SIDE, GoodImages, to_lab

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def noise(seed: int, height: int = 50, width: int = 60) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prepared(*images: Pixels, most: int = 1024) -> GoodImages:
    return GoodImages.of(images, [np.ones(image.shape[:2], np.bool_) for image in images], most)


def test_the_nearest_place_is_that_of_brute_force() -> None:
    images = [noise(1), noise(2)]
    good = prepared(*images)
    patch = to_lab(noise(3, 14, 17), 1)
    context = np.ones((14, 17), dtype=np.bool_)
    context[4:9, 5:12] = False
    for found in good.like(patch, context, (200, 200), (50, 60)):  # no place near this one fits
        lab = to_lab(images[found.image], 1)
        distances = {
            (x, y): np.sqrt(((lab[y : y + 14, x : x + 17] - patch)[context] ** 2).sum(axis=1).mean())
            for y in range(50 - 14 + 1)
            for x in range(60 - 17 + 1)
        }
        assert found.corner == min(distances, key=lambda place: distances[place])
        assert found.distance == pytest.approx(distances[found.corner], rel=1e-5)
        np.testing.assert_array_equal(
            found.lab, lab[found.corner[1] : found.corner[1] + 14, found.corner[0] : found.corner[0] + 17]
        )


def test_what_is_hidden_does_not_count_and_the_nearest_image_comes_first() -> None:
    images = [noise(4), noise(5)]
    good = prepared(*images)
    patch = to_lab(images[1][20:40, 30:50], 1)
    context = np.ones((20, 20), dtype=np.bool_)
    context[5:15, 5:15] = False
    patch[5:15, 5:15] = 0
    first, second = good.like(patch, context, (28, 21), (50, 60))
    assert (first.image, first.corner) == (1, (30, 20))
    assert first.distance < 1e-3 < second.distance


def test_the_same_place_is_preferred_where_others_are_as_good() -> None:
    tile = noise(6, 10, 10)
    good = prepared(np.tile(tile, (10, 10, 1)), most=100)
    patch = to_lab(np.tile(tile, (3, 3, 1)), 1)
    (found,) = good.like(patch, np.ones((30, 30), dtype=np.bool_), (52, 33), (100, 100))
    assert found.corner == (50, 30)
    # One that was cropped to its middle, 100 of 300 pixels, lies 100 pixels off.
    (found,) = good.like(patch, np.ones((30, 30), dtype=np.bool_), (152, 133), (300, 300))
    assert found.corner == (50, 30)


def test_large_images_are_reduced_and_a_patch_that_fits_nowhere_is_not_found() -> None:
    good = prepared(noise(7, 40, 3 * SIDE + 1))
    assert good.step == 4
    assert good.images[0].lab.shape == (10, -(-(3 * SIDE + 1) // 4), 3)
    assert good.like(np.zeros((11, 5, 3), np.float32), np.ones((11, 5), np.bool_), (0, 0), (40, 769)) == []


def test_images_of_another_size_are_passed_over() -> None:
    good = prepared(noise(8), noise(9, 60, 50))
    found = good.like(to_lab(noise(8)[:9, :9], 1), np.ones((9, 9), np.bool_), (0, 0), (50, 60))
    assert [patch.image for patch in found] == [0]
