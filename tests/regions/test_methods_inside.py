"""What every method must do within a region of interest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import blemish, quick, stripes, write_image
from twinspect.data.samples import DataSet, Sample
from twinspect.regions.scope import Scope

if TYPE_CHECKING:
    from twinspect.regions.areas import Region

LOOK = {"look": [[[0.4, 0], [1, 0], [1, 0.6], [0.4, 0.6]]]}
"""The upper right of a drawn part, where blemishes are."""
STEPS = {"aand": 10, "destseg": 60, "dual": 40}
"""How long methods learn that take more or fewer steps than the others until they find a blemish."""
CLEAN = np.stack([stripes(100 + n) for n in range(4)])
INSIDE = np.stack([blemish(each) for each in CLEAN])
OUTSIDE = np.stack([blemish(each, 32, 2) for each in CLEAN])


@pytest.fixture(scope="module")
def roi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roi") / "roi.json"
    path.write_text(json.dumps(LOOK))
    return path


@pytest.fixture(scope="module", params=[*sorted(ts.methods()), "mkd on tiles"])
def detector(request: pytest.FixtureRequest, roi: Path, parts: Path) -> ts.Detector:
    method, *tiles = request.param.split()
    tiling = {"tile": 32, "overlap": 8} if tiles else {}
    settings = {**quick(method, STEPS.get(method, 20)), **tiling}
    return ts.Detector(method, **settings, roi=roi, roi_blank=method == "dual").fit(parts)


@pytest.fixture
def region(detector: ts.Detector) -> Region:
    assert detector.scope_ is not None
    assert detector.scope_.fixed is not None
    return detector.scope_.fixed


def test_a_defect_inside_is_found_and_the_map_is_zero_outside(detector: ts.Detector, region: Region) -> None:
    clean, dirty = detector.score(CLEAN), detector.score(INSIDE)
    assert (dirty.image > clean.image).all()
    assert isinstance(dirty.map, np.ndarray)
    assert np.isfinite(dirty.map).all()
    inside = region.at(48, 48)
    assert (dirty.map[:, ~inside] == 0).all()
    assert (dirty.map[:, inside] != 0).mean() > 0.9


def test_painted_over_a_defect_outside_changes_nothing_to_the_bit(
    detector: ts.Detector, region: Region
) -> None:
    before, detector.scope_ = detector.scope_, Scope(region, blank=True)
    clean, dirty = detector.score(CLEAN), detector.score(OUTSIDE)
    detector.scope_ = before
    np.testing.assert_array_equal(clean.image, dirty.image)
    np.testing.assert_array_equal(clean.map, dirty.map)  # type: ignore[arg-type]


def test_a_score_does_not_depend_on_batch_mates_with_other_regions(
    detector: ts.Detector, tmp_path: Path
) -> None:
    samples = []
    for number, image in enumerate(INSIDE):
        mask = np.zeros((48, 48), np.uint8)
        mask[: 10 + 12 * number, 6 * number :] = 255
        path = write_image(tmp_path / f"{number}.png", mask)
        samples.append(Sample(Path(f"{number}"), f"{number}", pixels=image, roi=path))
    before, detector.scope_ = detector.scope_, Scope(None, blank=detector.method == "dual")
    together = detector.score(DataSet("all", None, tuple(samples)))
    alone = [detector.score(DataSet("one", None, (sample,))) for sample in samples]
    detector.scope_ = before
    assert together.errors == ("",) * 4
    np.testing.assert_allclose(together.image, [each.image[0] for each in alone], rtol=1e-4)
    for whole, single in zip(together.map, alone, strict=True):  # type: ignore[arg-type]
        np.testing.assert_allclose(whole, single.map[0], rtol=1e-3, atol=1e-5)  # type: ignore[index]
