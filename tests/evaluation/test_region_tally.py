"""Defects as things in an evaluation: which images and defects count, and what the record and the report say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinspect.calibration.conformal import Calibration
from twinspect.data import DataSet, Sample
from twinspect.evaluation.evaluation import Evaluation, evaluate_scores
from twinspect.evaluation.region_tally import REGION_METRICS
from twinspect.inference.results import ImageScore
from twinspect.metrics import FURTHER_DEFINITIONS, aupimo
from twinspect.report.region_section import region_section

SIDE = 64
PEAKS = tuple(np.linspace(0.1, 1.0, 19))
CALIBRATION = Calibration(PEAKS, 0.05, map_range=(0.0, 1.0), map_peaks={"": PEAKS})
"""Regions have a peak above 1 and reach down to 0.5."""
LARGE, SMALL = (slice(4, 44), slice(4, 44)), (slice(50, 54), slice(50, 54))


def image(
    folder: Path, number: int, *, marked: tuple = (), values: tuple = (), category: str = "", **more
) -> ImageScore:
    """An image whose masks mark some places, and whose map has some values at some places."""
    path = folder / f"{category}{number}_mask.png"
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for place in marked:
        mask[place] = 255
    Image.fromarray(mask).save(path)
    score_map = np.random.default_rng(number).uniform(0, 0.4, (SIDE, SIDE)).astype(np.float32)
    for place, value in values:
        score_map[place] = value
    label = "cut" if marked else "good"
    sample = Sample(
        Path(f"{number}.png"), f"{number}", label=label, category=category, mask=path if marked else None
    )
    score = float(score_map.max())
    return ImageScore(sample, score, 0.5, score > 1, score_map, **more)


def evaluated(rows: list[ImageScore], calibration: Calibration = CALIBRATION) -> Evaluation:
    return evaluate_scores(DataSet("parts", None, tuple(row.sample for row in rows)), rows, calibration)


@pytest.fixture
def rows(tmp_path: Path) -> list[ImageScore]:
    return [
        image(tmp_path, 0),
        image(tmp_path, 1, values=[((5, 5), 2.0)]),  # a false alarm
        image(tmp_path, 2, marked=(LARGE, SMALL), values=[(LARGE, 0.6), ((10, 10), 3.0)]),
        image(tmp_path, 3, marked=(SMALL,), values=[(SMALL, 0.9)]),  # reached, yet no peak above the level
    ]


def test_what_is_found_by_size_and_by_rank(rows: list[ImageScore]) -> None:
    record = evaluated(rows).to_record()["regions"]
    sizes = record["recall_by_size"]
    assert (sizes["all"]["found"], sizes["all"]["defects"]) == (1, 3)
    assert (sizes["px"]["small"]["defects"], sizes["px"]["medium"]["found"]) == (2, 1)
    assert (sizes["share"]["medium"]["defects"], sizes["share"]["large"]["defects"]) == (2, 1)
    assert [each["defects"] for each in sizes["doubled"]] == [2, 0, 0, 1]
    assert record["finds_9_of_10_from_px"] == 1024
    assert (record["found"], record["found_without_defect"]) == (2, 1)
    row = record["categories"][""]
    assert row["region_recall"] == pytest.approx(1 / 3)
    # Peaks 3 (right), 2 (wrong), 0.9 (right): precision 1 up to a recall of 1/3, 2/3 up to 2/3, then none.
    assert row["region_ap_50"] == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert row["aupimo"] == pytest.approx(
        np.nanmean(aupimo([None, None, *[r.map > 0.5 for r in rows[2:]]], [r.map for r in rows])), abs=0.02
    )
    assert record["definitions"].keys() >= set(REGION_METRICS)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_defect_that_is_not_looked_at_does_not_count(rows: list[ImageScore]) -> None:
    inside = np.zeros((SIDE, SIDE), bool)
    inside[:20] = True  # a part of the large defect, and none of the small ones
    found = evaluated([replace(row, inside=inside) for row in rows])
    assert found.outside_roi == 1  # an image
    regions = found.regions
    assert regions.outside_roi == 2  # defects
    assert regions.found.recall.defects == 1
    assert regions.found.curve[0].at_least == 256  # of its 1600 pixels 640 are looked at
    record = found.to_record()["regions"]
    assert record["outside_roi"] == 2
    assert json.loads(json.dumps(record)) == record  # a NumPy integer equals 2 but is no JSON


def test_images_that_cannot_be_inspected_have_no_part_in_what_is_found(rows: list[ImageScore]) -> None:
    dark = [replace(row, not_inspectable="far darker") if not row.sample.is_good else row for row in rows]
    regions = evaluated(dark).regions
    assert regions.found.recall.defects == 0
    assert regions.rows[""]["region_recall"] is None
    assert regions.rows[""]["aupimo"] == evaluated(rows).regions.rows[""]["aupimo"]


def test_without_peaks_of_good_maps_there_is_aupimo_alone(rows: list[ImageScore]) -> None:
    regions = evaluated(rows, replace(CALIBRATION, map_peaks={})).regions
    assert {key for key, value in regions.rows[""].items() if value is not None} == {"aupimo"}
    section = region_section(regions)
    assert section is not None
    assert (section.chart, section.sizes, section.sentences) == (None, None, ())


def test_categories_and_all_at_once(tmp_path: Path) -> None:
    rows = [
        image(tmp_path, 0, category="a"),
        image(tmp_path, 1, category="a", marked=(LARGE,), values=[(LARGE, 2.0)]),
        image(tmp_path, 2, category="b", marked=(SMALL,), values=[(SMALL, 0.2)]),
        image(tmp_path, 3, category="b"),
        image(tmp_path, 4, category="c"),  # has no mask at all
    ]
    regions = evaluated(rows).regions
    assert list(regions.rows) == ["a", "b"]
    assert [regions.rows[name]["region_recall"] for name in "ab"] == [1, 0]
    assert regions.mean["region_recall"] == regions.pooled["region_recall"] == 0.5
    assert regions.mean["region_recall_small"] == 0
    both = [row for row in rows if row.sample.category != "c"]
    masks = [None, *[None if row.sample.is_good else row.map == row.map.max() for row in both[1:]]]
    masks[2] = np.zeros((SIDE, SIDE), bool)
    masks[2][SMALL] = True
    assert regions.pooled["aupimo"] == pytest.approx(np.nanmean(aupimo(masks, [row.map for row in both])))


def test_without_masks_there_is_nothing(tmp_path: Path) -> None:
    found = evaluated([image(tmp_path, 0), image(tmp_path, 1)])
    assert found.regions.to_record() == {}
    assert region_section(found.regions) is None


def test_the_section_says_from_which_size_on(rows: list[ImageScore]) -> None:
    section = region_section(evaluated(rows).regions)
    assert section is not None
    text = " ".join(section.sentences).replace("\N{NO-BREAK SPACE}", " ")
    assert "1 of 3 (33.3 %; 95 % interval 0.84 % to 90.6 %) show in a region" in text
    assert "From 1024 px of area on (32 x 32), nine of ten or more do" in text
    assert "Nothing is marked at 1 of the 2 regions found" in text
    assert section.sizes is not None
    assert [row[0] for row in section.sizes.rows][1:3] == ["small, below 1024 px", "medium, 1024 to 9216 px"]
    assert "0/2" in str(section.chart)


def test_the_section_says_in_plain_words_that_no_size_is_surely_found(tmp_path: Path) -> None:
    section = region_section(evaluated([image(tmp_path, 0, marked=(LARGE,), values=[(LARGE, 0.2)])]).regions)
    assert section is not None
    assert section.sentences[1].endswith(
        "px of area or more, the largest, 0 of 1 do, so there is no size from which on nine of ten are found"
    )
    assert set(section.definitions.values()) < set(FURTHER_DEFINITIONS.values())
