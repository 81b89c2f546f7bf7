"""What is said of regions, on defects whose kind is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from twinspect.regions.describing import WORDS, Description, describe
from twinspect.regions.good_patches import GoodImages

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
BOX = (40, 30, 20, 20)
DISC = np.hypot(*(np.indices((96, 96)) - 48)) < 40
SPOT = np.s_[33:47, 43:57]


def part(seed: int) -> Pixels:
    """A brown disc with a fine texture on a grey ground; (96, 96, 3)."""
    random = np.random.default_rng(seed)
    grain = ndimage.gaussian_filter(random.normal(size=(96, 96)), 0.8)
    values = np.where(DISC[..., None], (150.0, 110.0, 80.0), 200.0) + (30 * grain * DISC)[..., None]
    return values.clip(0, 255).astype(np.uint8)


def good_images(images: list[Pixels], mask: Any = DISC) -> GoodImages:
    return GoodImages.of(images, [np.broadcast_to(mask, image.shape[:2]) for image in images], 1024)


GOOD = good_images([part(seed) for seed in range(3)])


def said(image: Pixels, box: tuple[int, int, int, int] = BOX, good: GoodImages = GOOD) -> Description:
    left, top, width, height = box
    anomaly_map = np.zeros(image.shape[:2], dtype=np.float32)
    anomaly_map[top : top + height, left : left + width] = 2
    return describe(image, box, anomaly_map, 1.0, good)


def with_spot(change: Any) -> Pixels:
    image = part(9).astype(np.float64)
    image[SPOT] = change(image[SPOT])
    return image.clip(0, 255).astype(np.uint8)


def grains(values: Any) -> Any:
    return values + 70 * (-1) ** np.indices(values.shape[:2]).sum(axis=0)[..., None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values - 70, ("darker",)),
        (lambda values: values + 70, ("brighter",)),
        (lambda values: values + np.array([-45, 0, 70]), ("other colour",)),
        (grains, ("more texture",)),
        (lambda values: values.mean(axis=(0, 1)) + 0 * values, ("less texture",)),
        (lambda values: 0 * values + np.array([20, 20, 90]), ("darker", "other colour", "less texture")),
        (lambda values: values, ()),
    ],
)
def test_the_words_are_those_of_what_was_drawn(change: Any, words: tuple[str, ...]) -> None:
    found = said(with_spot(change))
    assert found.words == words
    assert set(words) <= set(WORDS)
    assert found.good_patch is not None
    _, x, y = found.good_patch
    assert abs(x - BOX[0]) <= 8
    assert abs(y - BOX[1]) <= 8


def test_a_piece_that_is_missing_shows_the_background() -> None:
    bitten = part(9)
    rows, columns = np.indices((96, 96))
    bitten[np.hypot(rows - 12, columns - 48) < 10] = 200
    found = said(bitten, (38, 3, 20, 20))
    assert found.words[0] == "something missing"
    assert said(part(9), (38, 3, 20, 20)).words == ()


def test_nothing_is_missing_where_no_object_stands_out() -> None:
    bitten = part(9)
    bitten[:24, 38:58] = 200
    unknown = good_images([part(seed) for seed in range(3)], True)
    assert "something missing" in said(bitten, (38, 3, 20, 20)).words
    assert "something missing" not in said(bitten, (38, 3, 20, 20), unknown).words


def test_a_hole_inside_is_not_told_from_a_spot() -> None:
    assert "something missing" not in said(with_spot(lambda values: 0 * values + 200)).words


@pytest.mark.parametrize("colour", [(60, 60, 60), (200, 120, 120)])
def test_what_lies_on_the_background_is_added(colour: tuple[int, int, int]) -> None:
    image = part(9)
    image[4:11, 4:11] = colour
    assert said(image, (2, 2, 11, 11)).words[0] == "something added"
    assert said(part(9), (2, 2, 11, 11)).words == ()


def test_a_part_that_lies_elsewhere_is_compared_with_its_own_place() -> None:
    shifted = np.roll(with_spot(lambda values: values - 70), (0, 6), axis=(0, 1))
    found = said(shifted, (BOX[0] + 6, *BOX[1:]))
    assert found.words == ("darker",)
    assert found.good_patch is not None
    assert abs(found.good_patch[1] - BOX[0]) <= 8


def test_images_of_something_else_say_nothing() -> None:
    random = np.random.default_rng(0)
    blocks = np.kron(random.integers(0, 2, (24, 24, 3)) * 255, np.ones((4, 4, 1)))
    other = good_images([blocks.astype(np.uint8)])
    assert said(with_spot(lambda values: values - 70), good=other) == Description()


def test_the_defect_is_looked_for_where_the_map_is_high() -> None:
    """Far more of the region is good than not: seen as a whole, its texture is what it is in good images."""
    image = with_spot(lambda values: values.mean(axis=(0, 1)) + 0 * values)
    anomaly_map = np.zeros((96, 96), np.float32)
    anomaly_map[15:65, 25:75] = 2
    assert describe(image, (25, 15, 50, 50), anomaly_map, 1.0, GOOD).words == ()
    anomaly_map[SPOT] = 6
    assert describe(image, (25, 15, 50, 50), anomaly_map, 1.0, GOOD).words == ("less texture",)


def test_a_region_without_surroundings_says_nothing() -> None:
    assert said(part(9), (0, 0, 96, 96)) == Description()


def test_an_image_smaller_than_a_pixel_of_the_reduced_ones_says_nothing() -> None:
    large = good_images([np.zeros((1024, 1024, 3), np.uint8)], True)
    assert said(part(9)[:3, :3], (0, 0, 3, 3), large) == Description()


def test_regions_at_the_border_and_of_a_pixel_are_described() -> None:
    for box in ((0, 0, 5, 5), (95, 95, 1, 1), (0, 60, 96, 3)):
        assert said(part(9), box).words == ()
