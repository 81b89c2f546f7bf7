"""Objects that several images show: judged by their highest image, against a loop over pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from benchmark_data import write_category
from drawn_parts import TEACHER
from twinspect.benchmark.trial import run_trial
from twinspect.cli.evaluate import outcome
from twinspect.data import DataSet, Sample, open_data
from twinspect.evaluation.by_object import object_rows, objects_record
from twinspect.evaluation.evaluation import evaluate
from twinspect.evaluation.image_scores import by_category
from twinspect.report.defect_type_section import object_section
from twinspect.report.rendering import render_template

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUICK = {**TEACHER, "size": 32, "steps": 2, "device": "cpu", "precision": "fp32"}


@dataclass(frozen=True)
class Row:
    """An image with a made-up score."""

    sample: Sample
    score: float
    map: NDArray[np.float32] | None = None
    error: str = ""
    inside: None = None


def views(seed: int) -> list[Row]:
    """Twenty objects of two categories in five views; a defect shows in some views only, and some are not read."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(20):
        for view in range(5):
            shows = number % 3 == 0 and (view == 2 or rng.random() < 0.3)
            sample = Sample(
                Path(f"{number}/{view}.png"),
                f"{number}/{view}.png",
                label="scratch" if shows else "good",
                category=("nut", "tape")[number % 2],
                group=f"S{number:04d}",
            )
            torn = view == 4 and number % 7 == 0
            rows.append(Row(sample, float("nan") if torn else rng.normal() + shows, error="torn" * torn))
    return rows


def by_pairs(rows: list[Row]) -> float:
    best: dict[str, float] = {}
    bad = set()
    for row in rows:
        if not row.error:
            best[row.sample.group] = max(best.get(row.sample.group, -np.inf), row.score)
            if not row.sample.is_good:
                bad.add(row.sample.group)
    pairs = [(best[a], best[g]) for a in bad for g in best if g not in bad]
    return float(np.mean([(a > g) + 0.5 * (a == g) for a, g in pairs]))


@pytest.mark.parametrize("seed", range(3))
def test_is_that_of_all_pairs(seed: int) -> None:
    groups = by_category(views(seed))
    lines = object_rows(groups)
    assert {name: line["object_auroc"] for name, line in lines.items()} == pytest.approx(
        {name: by_pairs(rows) for name, rows in groups.items()}
    )
    record = objects_record(lines, {})
    assert record is not None
    assert record["mean"]["object_auroc"] == pytest.approx(np.mean([by_pairs(r) for r in groups.values()]))


def page(metrics: dict[str, Any]) -> str:
    return render_template("report/templates/objects.html", objects=object_section(metrics, {}))


def test_without_groups_or_without_both_sorts_there_is_none() -> None:
    rows = views(0)
    alone = [replace(row, sample=replace(row.sample, group="")) for row in rows]
    assert object_rows(by_category(alone)) == {}
    assert objects_record({}, {}) is None
    assert page({}).strip() == ""
    good = [row for row in rows if int(row.sample.group[1:]) % 3]
    assert {line["object_auroc"] for line in object_rows(by_category(good)).values()} == {None}


@pytest.fixture(scope="module")
def pairs_of_views(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Each object of the test set in two views."""
    root = write_category(tmp_path_factory.mktemp("objects") / "brick", 0, tests=4)
    data = open_data(root)
    return data.with_samples(
        [replace(s, group=f"{s.label}{int(s.path.stem) // 2}" if s.split == "test" else "") for s in data]
    )


def test_evaluate_and_a_trial_have_it(pairs_of_views: DataSet, tmp_path: Path) -> None:
    detector = ts.Detector("rd", false_alarm_rate=0.5, **QUICK).fit(pairs_of_views)
    found = evaluate(detector, pairs_of_views)
    expected = by_pairs([Row(row.sample, row.score) for row in found.rows])
    record = found.to_record()
    assert record["objects"]["categories"]["brick"]["object_auroc"] == pytest.approx(expected)
    assert "object_auroc" not in record["categories"]["brick"]
    assert f"{expected:.4f}" in page(found.objects)
    assert "object_auroc" in outcome(found, tmp_path).text
    trial = run_trial(ts.Detector("rd", **QUICK), pairs_of_views)
    expected = by_pairs([Row(row.sample, row.score) for row in trial.rows])
    assert trial.categories["brick"]["object_auroc"] == trial.mean["object_auroc"] == pytest.approx(expected)
