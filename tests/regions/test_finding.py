"""Regions of drawn maps, against what SciPy and scikit-image say of them, and against rectangles that were drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.draw import polygon2mask
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import regionprops

from twinspect.calibration.conformal import Calibration
from twinspect.calibration.map_peaks import GoodPeaks
from twinspect.errors import ConfigError
from twinspect.regions.finding import Levels, RegionRules, find_regions, label_regions, longest_extent

LEVELS = Levels(2.0, 1.0)


def drawn_map(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    noise = np.random.default_rng(seed).normal(size=(60, 90))
    smooth = ndimage.gaussian_filter(noise, 3)
    return np.asarray(2.6 * smooth / smooth.std(), dtype=np.float32)


def ranks(peaks: Any) -> Any:
    return 1 / (1 + np.asarray(peaks))


@pytest.mark.parametrize("seed", range(4))
def test_pixels_are_those_of_the_hysteresis(seed: int) -> None:
    values = drawn_map(seed)
    # The reference joins pixels at sides alone; so does a grid with a gap between diagonal neighbours.
    reference = apply_hysteresis_threshold(values, LEVELS.low, LEVELS.high)
    found = label_regions(values, LEVELS) > 0
    assert not (reference & ~found).any()
    joined, _ = ndimage.label(values > LEVELS.low, np.ones((3, 3)))
    strong = np.unique(joined[values > LEVELS.high])
    np.testing.assert_array_equal(found, np.isin(joined, strong) & (joined > 0))


@pytest.mark.parametrize("seed", range(4))
def test_measures_are_those_of_scikit_image(seed: int) -> None:
    values = drawn_map(seed)
    labels = label_regions(values, LEVELS)
    found = find_regions(values, LEVELS, ranks, RegionRules(mm_per_px=0.5))
    expected = {each.bbox: each for each in regionprops(labels, values)}
    assert len(found) == len(expected) > 1
    assert [region.peak for region in found] == sorted((region.peak for region in found), reverse=True)
    for region in found:
        x, y, width, height = region.box
        reference = expected[y, x, y + height, x + width]
        assert region.area_px == reference.area
        assert region.area_mm2 == reference.area / 4
        np.testing.assert_allclose(region.centre, np.add(reference.centroid[::-1], 0.5))
        np.testing.assert_allclose(
            (region.peak, region.mean), (reference.intensity_max, reference.intensity_mean), rtol=1e-6
        )
        assert region.p_value == pytest.approx(1 / (1 + region.peak))
        assert region.extent_mm == region.extent_px / 2
        drawn = polygon2mask(values.shape, [(py - 0.5, px - 0.5) for px, py in region.polygon])
        filled = np.zeros(values.shape, np.bool_)
        filled[y : y + height, x : x + width] = reference.image_filled
        assert (drawn & filled).sum() > 0.97 * (drawn | filled).sum()


def test_outside_of_the_region_of_interest_there_is_none() -> None:
    values = drawn_map(0)
    inside = np.zeros(values.shape, np.bool_)
    inside[:, 30:] = True
    for region in find_regions(values, LEVELS, ranks, RegionRules(), inside):
        assert region.box[0] >= 30
    assert find_regions(values, LEVELS, ranks, RegionRules(), np.zeros_like(inside)) == ()


@pytest.mark.parametrize("degrees", [0, 17, 45, 80])
def test_the_extent_is_the_longer_side_of_a_turned_rectangle(degrees: float) -> None:
    turn = math.radians(degrees)
    rows, columns = np.mgrid[:120, :120] - 60.0
    along = columns * math.cos(turn) + rows * math.sin(turn)
    across = rows * math.cos(turn) - columns * math.sin(turn)
    mask = (abs(along) < 40) & (abs(across) < 10)
    assert longest_extent(mask) == pytest.approx(80, abs=2.0)
    corners = np.argwhere(mask)[ConvexHull(np.argwhere(mask)).vertices]
    farthest = max(math.dist(one, other) for one in corners for other in corners)
    assert longest_extent(mask) <= farthest + 2


def test_a_single_pixel_is_a_region() -> None:
    values = np.zeros((9, 9), np.float32)
    values[4, 2] = 3
    (region,) = find_regions(values, LEVELS, ranks, RegionRules())
    assert (region.box, region.area_px, region.extent_px, region.centre) == ((2, 4, 1, 1), 1, 1.0, (2.5, 4.5))
    assert {(x, y) for x, y in region.polygon} == {(2.5, 4.0), (3.0, 4.5), (2.5, 5.0), (2.0, 4.5)}
    assert find_regions(values, LEVELS, ranks, RegionRules(min_area=2)) == ()


@pytest.mark.parametrize(
    ("typed", "scale", "pixels"),
    [(20, None, 20), ("20", None, 20), ("20px", 0.1, 20), ("0.5mm2", 0.1, 50), ("0.5 MM²", 0.5, 2)],
)
def test_a_smallest_area_in_pixels_or_square_millimetres(
    typed: Any, scale: float | None, pixels: float
) -> None:
    assert RegionRules.of(typed, scale).min_area == pytest.approx(pixels)


@pytest.mark.parametrize(
    ("typed", "scale", "said"),
    [
        ("-1", None, "--min-area -1; allowed are"),
        ("nan", None, "--min-area nan"),
        ("5cm2", 0.1, "--min-area 5cm2"),
        ("0.5mm2", None, "needs the size of a pixel: --mm-per-px"),
        (0, 0.0, "--mm-per-px 0; allowed is a number from"),
        (0, math.inf, "--mm-per-px inf"),
        (0, "0.1", "--mm-per-px '0.1'; allowed is a number from"),
        (0, True, "--mm-per-px True; allowed"),
    ],
)
def test_sizes_that_are_none_are_refused(typed: Any, scale: float | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        RegionRules.of(typed, scale)


def test_at_most_the_promised_share_of_good_images_has_a_pixel_above_the_threshold() -> None:
    """On average over draws of the held-out images, and in each category."""
    random = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        peaks = {"a": tuple(random.normal(size=19)), "b": tuple(5 + random.normal(size=19))}
        flat = peaks["a"] + peaks["b"]
        calibration = Calibration(flat[::-1], 0.05, categories=("x",) * 38, map_peaks=peaks)
        maps = calibration.of_maps
        assert maps is not None
        alarms.append(
            (random.normal() > maps.of("a").threshold, 5 + random.normal() > maps.of("b").threshold)
        )
    for share in np.mean(alarms, axis=0):
        assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_the_peaks_are_kept_and_may_be_missing() -> None:
    calibration = Calibration(
        (1.0, 2.0, 3.0), 0.25, good_peaks=GoodPeaks(0, 1), map_peaks={"": (4.0, 5.0, 6.0)}
    )
    read = Calibration.from_record(calibration.to_record())
    assert read == calibration
    assert read.of_maps is not None
    assert read.of_maps.threshold == 6.0
    earlier = calibration.to_record()
    del earlier["map_peaks"]
    assert Calibration.from_record(earlier).of_maps is None
