"""Pictures of a region beside the good patch that it is most like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from twinspect.data import Sample
from twinspect.images.png import encode_png
from twinspect.inference.results import ImageScore
from twinspect.regions.finding import FoundRegion
from twinspect.report.gallery import MOST_PAIRS, KeptImage
from twinspect.report.region_pictures import GAP, beside_good, write_crops

RANDOM = np.random.default_rng(0)
IMAGE, GOOD = (RANDOM.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(2))
BOX = (20, 10, 16, 12)
"""With a margin of 8 pixels: columns 12 to 44, rows 2 to 30."""


def region(**other: object) -> FoundRegion:
    measures = (192, None, 16.0, None, 2.0, 1.0, 0.1, (28.0, 16.0))
    return FoundRegion(BOX, [(20.0, 10.0)], *measures, **other)  # type: ignore[arg-type]


def enlarged(crop: np.ndarray, side: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(ImageOps.contain(Image.fromarray(crop), (side, side)))


def test_the_region_is_on_the_left_and_the_good_patch_on_the_right() -> None:
    drawn = beside_good(IMAGE, BOX, [encode_png(GOOD)], (0, 40, 20), 64)
    left, right = enlarged(IMAGE[2:30, 12:44], 64), enlarged(GOOD[12:40, 32:64], 64)
    np.testing.assert_array_equal(drawn[:, :64], left)
    assert (drawn[:, 64 : 64 + GAP] == 255).all()
    np.testing.assert_array_equal(drawn[:, 64 + GAP :], right)


@pytest.mark.parametrize("patch", [None, (1, 0, 0)])
def test_without_a_good_patch_the_region_stands_alone(patch: tuple[int, int, int] | None) -> None:
    drawn = beside_good(IMAGE, BOX, [encode_png(GOOD)], patch, 32)
    np.testing.assert_array_equal(drawn, enlarged(IMAGE[2:30, 12:44], 32))


def test_crops_are_replaced_as_a_whole(tmp_path: Path) -> None:
    sample = Sample(Path("a.png"), "a.png", pixels=IMAGE)
    found = (region(good_patch=(0, 40, 20)), region())
    write_crops(tmp_path, ImageScore(sample, 1.0, regions=found), [encode_png(GOOD)])
    assert {path.name for path in tmp_path.iterdir()} == {"region-1.png", "region-1-good.png", "region-2.png"}
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "region-1-good.png")), GOOD[12:40, 32:64])
    write_crops(tmp_path, ImageScore(sample, 1.0, regions=()), [encode_png(GOOD)])
    assert not list(tmp_path.iterdir())


def test_the_report_shows_the_first_regions_with_their_words() -> None:
    found = (region(), *(region(words=("darker",), good_patch=(0, 40, 20)),) * 5)
    row = ImageScore(Sample(Path("a.png"), "a.png", pixels=IMAGE), 1.0, regions=found)
    kept = KeptImage(0.0, row, np.zeros((60, 80), np.float32), None, (60, 80))
    panels = kept.regions([encode_png(GOOD)])
    assert [panel.title for panel in panels] == ["darker"] * MOST_PAIRS
    assert KeptImage(0.0, ImageScore(row.sample, 1.0), kept.map, None, (60, 80)).regions([]) == []
