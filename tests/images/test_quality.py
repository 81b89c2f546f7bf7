"""How an image was taken: beside definitions in plain NumPy, and in the direction that a name promises."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import laplace

from drawn_parts import stripes
from twinspect.images.quality import SAMPLED_SIDE, SIDE, image_quality


def test_small_images_are_measured_as_they_are() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    sharpness = np.sqrt((laplace(grey)[1:-1, 1:-1] ** 2).mean())
    np.testing.assert_allclose(image_quality(rgb), (grey.mean(), grey.std(), sharpness), rtol=1e-4)


def test_large_images_are_measured_on_means_over_blocks() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 3 * SIDE, 3), dtype=np.uint8)
    blocks = (rgb @ np.array([0.299, 0.587, 0.114])).reshape(SIDE, 2, 3 * SIDE // 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(image_quality(rgb)[:2], (blocks.mean(), blocks.std()), rtol=1e-4)


@pytest.mark.parametrize("side", [1, 2, 3, 127, 255, 511, 512, 513, 1500])
def test_any_size_is_measured(side: int) -> None:
    assert image_quality(np.full((side, 2 * side, 3), 7, dtype=np.uint8)) == (7, 0, 0)


def test_large_images_have_nearly_the_same_quality_at_other_sizes() -> None:
    small = Image.fromarray(stripes(0, side=SIDE))
    large = np.asarray(small.resize((3 * SAMPLED_SIDE, 3 * SAMPLED_SIDE), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(image_quality(large), image_quality(np.asarray(small)), rtol=0.5)


def test_light_contrast_and_focus_lower_what_is_named_after_them() -> None:
    rgb = stripes(0, side=256)
    usual = image_quality(rgb)
    assert image_quality((rgb * 0.5).astype(np.uint8)).brightness == pytest.approx(
        usual.brightness / 2, abs=1
    )
    assert image_quality((rgb // 2 + 64).astype(np.uint8)).contrast == pytest.approx(
        usual.contrast / 2, rel=0.02
    )
    blurred = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(12)))
    assert image_quality(blurred).sharpness < usual.sharpness / 5
