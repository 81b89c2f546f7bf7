"""Changed images against Pillow, NumPy and a loop over pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from drawn_parts import stripes
from twinspect.errors import ImageError
from twinspect.images.camera_changes import add_noise, blur, compress, move, scale_light

RGB = stripes(3, 41)[:, :36]


def test_more_light_is_pillows_brightness_but_rounded() -> None:
    for factor in (0.8, 0.9, 1.1, 1.2):
        expected = np.asarray(ImageEnhance.Brightness(Image.fromarray(RGB)).enhance(factor))  # truncated
        assert np.abs(scale_light(RGB, factor, factor, factor).astype(int) - expected).max() <= 1
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    assert scale_light(levels, 1.2, 1, 0.5)[0, [0, 100, 101, 213, 255]].tolist() == [
        [0, 0, 0],
        [120, 100, 50],
        [121, 101, 50],
        [255, 213, 106],
        [255, 255, 128],
    ]


def test_blur_is_a_convolution_with_a_gaussian() -> None:
    offsets = np.arange(-8, 9)
    weights = np.exp(-(offsets**2) / (2 * 2.0**2))
    weights /= weights.sum()
    padded = np.pad(RGB.astype(np.float64), ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    rows = sum(weight * padded[8 + k : 8 + k + 41] for k, weight in zip(offsets, weights, strict=True))
    expected = sum(weight * rows[:, 8 + k : 8 + k + 36] for k, weight in zip(offsets, weights, strict=True))
    assert np.abs(blur(RGB, 2.0) - expected).max() <= 0.51


def test_noise_has_its_size_and_follows_from_the_image() -> None:
    grey = np.full((100, 100, 3), 128, dtype=np.uint8)
    noise = add_noise(grey, 8.0).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert noise.std() == pytest.approx(8, rel=0.03)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.05
    assert np.array_equal(add_noise(grey, 8.0), add_noise(grey.copy(), 8.0))
    assert not np.array_equal(add_noise(grey, 8.0)[:50], add_noise(grey[:50], 8.0))


def test_compression_is_pillows() -> None:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG", quality=50)
    assert np.array_equal(compress(RGB, 50), np.asarray(Image.open(buffer)))


def test_a_shift_by_whole_pixels_copies_them_and_mirrors_the_rest() -> None:
    padded = np.pad(RGB, ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    assert np.array_equal(move(RGB, 8, 8), padded[:41, :36])
    assert np.array_equal(move(RGB, -2, 3), padded[10:51, 5:41])


def test_a_turn_is_pillows_away_from_the_border() -> None:
    turned = np.asarray(Image.fromarray(RGB).rotate(2, Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(move(RGB, degrees=2).astype(int) - turned)[3:-3, 3:-3].max() <= 1


def test_all_keep_shape_and_type_and_change_no_input() -> None:
    before = RGB.copy()
    for changed in (
        scale_light(RGB, 2, 2, 2),
        blur(RGB, 1),
        add_noise(RGB, 1),
        compress(RGB, 50),
        move(RGB, 1),
    ):
        assert changed.shape == RGB.shape
        assert changed.dtype == np.uint8
    assert np.array_equal(RGB, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2)])
def test_the_smallest_images_keep_their_size(shape: tuple[int, int]) -> None:
    tiny = RGB[: shape[0], : shape[1]]
    for changed in (
        blur(tiny, 2.0),
        add_noise(tiny, 8.0),
        compress(tiny, 50),
        move(tiny, down=8, right=8),
        move(tiny, degrees=2),
    ):
        assert (changed.shape, changed.dtype) == (tiny.shape, np.uint8)


def test_what_a_jpeg_cannot_hold_is_an_error_of_that_image() -> None:
    assert compress(np.zeros((1, 65_500, 3), dtype=np.uint8), 50).shape == (1, 65_500, 3)
    with pytest.raises(ImageError, match="65501x1 pixels do not fit into a JPEG"):
        compress(np.zeros((1, 65_501, 3), dtype=np.uint8), 50)
