"""Objects found on grounds of either brightness, and left alone where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from twinspect.images.reading import read_rgb
from twinspect.synthesis import foreground, foregrounds
from twinspect.synthesis.foreground import blurred_grey, otsu

if TYPE_CHECKING:
    from pathlib import Path


def disc(side: int = 128, radius: float = 0.5, *, inside: int = 200, outside: int = 40) -> np.ndarray:
    rows, columns = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    values = np.where(np.hypot(rows, columns) < radius, inside, outside)[..., None]
    noise = np.random.default_rng(0).normal(0, 8, (side, side, 3))
    return (values + noise).clip(0, 255).astype(np.uint8)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("seed", range(5))
def test_otsu_agrees_with_scikit_image(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(60, 15, 3000), random.normal(170, 25, 1000 + 800 * seed)])
    values = values.astype(np.float32).reshape(-1, 40)
    threshold, separability, contrast = otsu(values)
    assert threshold == pytest.approx(threshold_otsu(values), abs=1e-3)
    above = values > threshold
    shares = above.mean(), 1 - above.mean()
    apart = values[above].mean() - values[~above].mean()
    assert contrast == pytest.approx(apart, abs=0.5)
    assert separability == pytest.approx(shares[0] * shares[1] * apart**2 / values.var(), abs=0.01)


def test_separability_of_one_group() -> None:
    gaussian = np.random.default_rng(0).normal(size=200_000)
    assert otsu(gaussian)[1] == pytest.approx(2 / np.pi, abs=0.01)
    assert otsu(np.linspace(0, 1, 100_000))[1] == pytest.approx(0.75, abs=0.01)
    assert otsu(np.full((4, 4), 7.0)) == (7.0, 0.0, 0.0)


def test_the_small_blur_is_the_large_blur() -> None:
    image = disc(256)
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)
    large = ndimage.gaussian_filter(grey, 8)
    small = blurred_grey(image)
    assert small.shape == (64, 64)
    means = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(small, means, atol=2)


@pytest.mark.parametrize(("inside", "outside"), [(200, 40), (40, 200), (120, 60)])
@pytest.mark.parametrize("side", [48, 256])
def test_an_object_is_found_whichever_is_brighter(inside: int, outside: int, side: int) -> None:
    image = disc(side, inside=inside, outside=outside)
    found = foreground(image)
    rows, columns = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    assert found.shape == (side, side)
    assert found.dtype == np.bool_
    assert overlap(found, np.hypot(rows, columns) < 0.5) > 0.93


def test_holes_and_bays_belong_to_the_object_and_crumbs_do_not() -> None:
    image = disc(256)
    image[110:146, 110:146] = 40  # a hole
    image[120:136, 170:200] = 40  # a bay at the right edge
    image[8:28, 8:28] = 200  # a crumb
    found = foreground(image)
    assert found[128, 128]
    assert found[128, 178]
    assert not found[:40, :40].any()


def test_wide_images_are_found_too() -> None:
    image = np.full((60, 200, 3), 30, np.uint8)
    image[20:40, 50:150] = 220
    expected = np.zeros((60, 200), bool)
    expected[20:40, 50:150] = True
    assert overlap(foreground(image), expected) > 0.85


def no_objects() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    halves = np.full((64, 64, 3), 30, np.uint8)
    halves[:, 32:] = 220
    speck = np.full((128, 128, 3), 30, np.uint8)
    speck[60:66, 60:66] = 255
    return {
        "blank": np.full((64, 64, 3), 90, np.uint8),
        "noise": random.integers(0, 256, (128, 128, 3), dtype=np.uint8),
        "halves": halves,
        "speck": speck,
        "fills the frame": disc(128, 1.2),
        "faint": disc(128, inside=100, outside=92),
        "tiny": np.zeros((8, 8, 3), np.uint8),
    }


@pytest.mark.parametrize("name", no_objects())
def test_without_an_object_all_is_foreground(name: str) -> None:
    assert foreground(no_objects()[name]).all()


@pytest.mark.parametrize("gap", [3, 6, 9, 12, 16, 24])
def test_thin_parts_never_leave_next_to_nothing(gap: int) -> None:
    threads = np.full((48, 48, 3), 250, np.uint8)
    threads[6:42:gap, 6:42] = 0
    assert foreground(threads).mean() >= 0.03


def test_the_majority_of_a_product_decides() -> None:
    blank = np.full((128, 128, 3), 90, np.uint8)
    assert all(mask.all() for mask in foregrounds([disc(), blank, blank]))
    assert [bool(mask.all()) for mask in foregrounds([disc(), disc(), blank])] == [False, False, True]
    apart = foregrounds([disc(), blank, blank], ["nut", "cloth", "cloth"])
    assert [bool(mask.all()) for mask in apart] == [False, True, True]


@pytest.mark.shared
def test_cookies_are_found_and_boards_are_not(shared: Path) -> None:
    def read(folder: str) -> list[np.ndarray]:
        paths = sorted((shared / "data" / folder / "train" / "good").iterdir())[:24:2]
        return [
            np.asarray(Image.fromarray(read_rgb(path)).resize((256, 256), Image.Resampling.BILINEAR))
            for path in paths
        ]

    found = [mask for mask in foregrounds(read("cookies")) if not mask.all()]
    assert len(found) >= 11
    assert all(0.2 < mask.mean() < 0.45 for mask in found)
    assert all(mask.all() for mask in foregrounds(read("deeppcb")))
