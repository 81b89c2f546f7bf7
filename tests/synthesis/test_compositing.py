"""How anomalies are laid on images: blending, pasting, and cloning against a dense solution."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_parts import blemish, stripes
from twinspect.synthesis.boxes import Box, box_around, random_pixel
from twinspect.synthesis.compositing import MIN_CHANGE, blend, keep_changed
from twinspect.synthesis.cutpaste import cut_paste
from twinspect.synthesis.poisson_blending import poisson_paste, seamless_clone, solve_poisson


def half(side: int = 48) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[: side // 2] = True
    return mask


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.8, 1.0])
def test_the_blend_is_its_equation(beta: float) -> None:
    random = np.random.default_rng(0)
    image, texture = stripes(0), stripes(9)[::-1]
    mask = random.random((48, 48)) < 0.3
    before = image.copy()
    made = blend(image, texture, mask, beta)
    weight = mask[..., None].astype(float)
    expected = (1 - weight) * image + weight * ((1 - beta) * texture + beta * image)
    assert np.abs(made - expected).max() <= 0.501
    np.testing.assert_array_equal(made[~mask], image[~mask])
    np.testing.assert_array_equal(image, before)
    assert made.dtype == np.uint8


def test_a_change_is_kept_where_it_is_allowed_and_visible() -> None:
    before = np.full((20, 20, 3), 100, np.uint8)
    after = before.copy()
    after[2:12, 2:12] = (100, 100, 40)
    after[14:19, 14:19] += 3  # too faint to be seen
    allowed = np.ones((20, 20), bool)
    allowed[:, :4] = False
    made, mask = keep_changed(before, after, allowed)
    np.testing.assert_array_equal(made[~mask], before[~mask])
    np.testing.assert_array_equal(made[mask], after[mask])
    assert not mask[:, :4].any()
    assert mask[2:12, 4:12].all()
    assert not mask[14:].any()  # the average reaches two pixels further
    assert MIN_CHANGE > 3


def test_boxes_stay_inside_the_image() -> None:
    assert box_around((10, 10), (4, 6), (20, 20)) == Box(8, 7, 4, 6)
    assert box_around((0, 19), (4, 6), (20, 20)) == Box(0, 14, 4, 6)
    assert box_around((5, 5), (99, 3), (20, 20)) == Box(0, 4, 20, 3)
    mask = np.zeros((7, 9), bool)
    mask[3, 8] = True
    assert random_pixel(mask, np.random.default_rng(0)) == (3, 8)


def test_cutpaste_changes_what_its_mask_says() -> None:
    image, allowed = blemish(stripes(0)), half()
    image.flags.writeable = False
    found = []
    for seed in range(60):
        made, mask = cut_paste(image, allowed, np.random.default_rng(seed))
        again, _ = cut_paste(image, allowed, np.random.default_rng(seed))
        np.testing.assert_array_equal(made, again)
        np.testing.assert_array_equal(made[~mask], image[~mask])
        assert not (mask & ~allowed).any()
        found.append(mask)
    changed = np.stack(found)
    assert (changed.any(axis=(1, 2))).mean() > 0.8
    assert changed.mean(axis=(1, 2)).max() < 0.16  # of the image, as the patch's area
    assert changed.any(axis=0)[:24].mean() > 0.8


def test_a_grey_image_stays_grey() -> None:
    grey = np.repeat(stripes(0)[..., :1], 3, axis=-1)
    for seed in range(10):
        made, _ = cut_paste(grey, half(), np.random.default_rng(seed))
        assert (made == made[..., :1]).all()


@pytest.mark.parametrize("shape", [(4, 5, 2), (1, 1, 1), (1, 7, 3)])
def test_the_poisson_equation_is_solved(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    random = np.random.default_rng(0)
    laplacian = random.normal(size=shape)
    frame = random.normal(size=(height + 2, width + 2, channels))
    count = height * width
    matrix, right = np.zeros((count, count)), laplacian.reshape(count, channels).copy()
    for row in range(height):
        for column in range(width):
            here = row * width + column
            matrix[here, here] = -4
            for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= y < height and 0 <= x < width:
                    matrix[here, y * width + x] = 1
                else:
                    right[here] -= frame[y + 1, x + 1]
    expected = np.linalg.solve(matrix, right).reshape(shape)
    np.testing.assert_allclose(solve_poisson(laplacian, frame), expected, atol=1e-10)


def test_a_clone_keeps_the_frame_and_takes_the_gradients() -> None:
    target, piece = stripes(0)[:20, :30], stripes(5)[:20, :30]
    for mixed in (False, True):
        cloned = seamless_clone(target, piece, mixed=mixed)
        for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            np.testing.assert_array_equal(cloned[edge], target[edge])
        assert (cloned != target).mean() > 0.5
    # A piece that differs by a constant has the same gradients: nothing changes.
    dimmer = (target // 2 + 20).astype(np.uint8)
    same = seamless_clone(dimmer, dimmer + np.uint8(60), mixed=False)
    assert np.abs(same.astype(int) - dimmer).max() <= 1


def test_mixing_keeps_the_steeper_gradients() -> None:
    flat = np.full((20, 20, 3), 90, np.uint8)
    target = stripes(0)[:20, :20]
    np.testing.assert_allclose(seamless_clone(target, flat, mixed=True).astype(int), target, atol=1)
    smoothed = seamless_clone(target, flat, mixed=False)
    assert smoothed[5:-5, 5:-5].std() < target[5:-5, 5:-5].std() / 2


def test_poisson_changes_what_its_mask_says() -> None:
    image, source, allowed = stripes(0), stripes(7)[::-1], half()
    found = []
    for seed in range(40):
        made, mask = poisson_paste(image, allowed, source, ~allowed, np.random.default_rng(seed))
        np.testing.assert_array_equal(made[~mask], image[~mask])
        assert not (mask & ~allowed).any()
        found.append(mask.mean())
    assert np.mean([share > 0 for share in found]) > 0.8
    assert max(found) <= 0.4**2 + 0.02


def test_poisson_works_on_the_smallest_images() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    everywhere = np.ones((8, 8), bool)
    for seed in range(20):
        made, _ = poisson_paste(image, everywhere, image[::-1], everywhere, np.random.default_rng(seed))
        assert made.shape == image.shape
