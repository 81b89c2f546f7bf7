"""Models that an earlier commit wrote: they load, score and decide as they did (tests/bundles/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, stripes, write_image
from twinspect.bundle.checksummed_json import dump_checksummed

if TYPE_CHECKING:
    from twinspect.inference.scores import Scores

OLD = Path(__file__).parents[1] / "bundles"
EXPECTED: dict[str, dict[str, dict[str, Any]]] = json.loads((OLD / "scores.json").read_text(encoding="utf-8"))


def score(model: Path, names: list[str]) -> Scores:
    return ts.load(model, device="cpu").score([OLD / "images" / name for name in names])


@pytest.mark.parametrize("name", EXPECTED)
def test_an_old_model_scores_and_decides_as_it_did(name: str, tmp_path: Path) -> None:
    expected = EXPECTED[name]
    scores = score(OLD / name, list(expected))
    assert scores.map is not None
    for index, row in enumerate(expected.values()):
        values = scores.map[index]
        assert list(values.shape) == row["map_shape"]
        assert scores.image[index] == pytest.approx(row["score"], rel=1e-5)
        assert values.mean(dtype=np.float64) == pytest.approx(row["map_mean"], rel=1e-5)
        assert values.max() == pytest.approx(row["map_max"], rel=1e-5)
        assert scores.p_value[index] == row["p_value"]
        assert scores.is_anomalous[index] == row["is_anomalous"]

    ts.load(OLD / name, device="cpu").save(tmp_path / "again.twin")
    again = score(tmp_path / "again.twin", list(expected))
    assert again.map is not None
    assert np.array_equal(again.image, scores.image)
    assert np.array_equal(again.p_value, scores.p_value)
    assert all(np.array_equal(*pair) for pair in zip(again.map, scores.map, strict=True))


def test_a_model_whose_record_lacks_block_counts_scores_as_one_with_the_earlier_layout(
    tmp_path: Path,
) -> None:
    """Of this teacher's three levels the last has two blocks, the others one: the two layouts differ."""
    data = tmp_path / "data"
    for number in range(6):
        write_image(data / "train" / "good" / f"{number}.png", stripes(number))
    settings = {**QUICK, "layers": None, "steps": 2, "false_alarm_rate": 0.5, "blocks": "mirror"}
    detector = ts.Detector("rd", **settings).fit(data)
    detector.save(tmp_path / "m.twin")
    record = json.loads((tmp_path / "m.twin" / "model.json").read_text())
    own = {name: value for name, value in record.items() if name not in ("digest", "format", "twinspect")}
    assert own["config"].pop("blocks") == "mirror"
    (tmp_path / "m.twin" / "model.json").write_bytes(dump_checksummed(own))
    images = [OLD / "images" / "good.png", OLD / "images" / "defective.png"]
    assert np.array_equal(
        ts.load(tmp_path / "m.twin", device="cpu").score(images).image, detector.score(images).image
    )


def test_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in OLD.rglob("*") if path.is_file()) < 6e6


@pytest.mark.parametrize("name", EXPECTED)
def test_they_are_of_the_first_format_and_decide_both_ways(name: str) -> None:
    assert json.loads((OLD / name / "model.json").read_text())["format"] == 1
    assert {row["is_anomalous"] for row in EXPECTED[name].values()} == {True, False}
