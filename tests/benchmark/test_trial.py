"""A trial: its numbers against scikit-learn on its own scores, and what it learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import twinspect as ts
from benchmark_data import write_category
from drawn_parts import TEACHER
from twinspect.benchmark.summary import SCORE_METRICS
from twinspect.benchmark.trial import Trial, run_trial
from twinspect.data import open_data
from twinspect.errors import DataError
from twinspect.inference.pipeline import ScoringPipeline

if TYPE_CHECKING:
    from pathlib import Path


def detector(seed: int = 0) -> ts.Detector:
    return ts.Detector("rd", **TEACHER, size=32, steps=3, device="cpu", workers=1, seed=seed)


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trial") / "products"
    write_category(root / "brick", 0)
    write_category(root / "tile", 300, tests=4)
    return root


@pytest.fixture(scope="module")
def trial(products: Path) -> Trial:
    return run_trial(detector(), open_data(products))


def test_image_metrics_agree_with_scikit_learn_on_the_scores(trial: Trial) -> None:
    for name, line in {**trial.categories, "": trial.pooled}.items():
        rows = [row for row in trial.rows if name in ("", row.sample.category)]
        labels, scores = [not row.sample.is_good for row in rows], [row.score for row in rows]
        assert line["image_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert line["image_ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    for key in SCORE_METRICS:
        assert trial.mean[key] == np.mean([line[key] for line in trial.categories.values()])
    assert "threshold" not in trial.mean


def test_pixel_metrics_agree_with_scikit_learn_on_the_maps(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    stream = ScoringPipeline.stream

    def watched(*arguments: object, **options: object) -> object:
        for row in stream(*arguments, **options):  # type: ignore[arg-type]
            kept.append(row)
            yield row

    monkeypatch.setattr(ScoringPipeline, "stream", watched)
    found = run_trial(detector(), open_data(products / "tile"))
    masks = np.zeros((len(kept), 48, 48), bool)
    masks[[place for place, row in enumerate(kept) if row.sample.mask], 8:20, 28:40] = True
    maps = np.stack([row.map for row in kept])
    (line,) = found.categories.values()
    assert masks.sum() == 4 * 144
    assert line["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)
    assert line["pixel_ap"] == pytest.approx(average_precision_score(masks.ravel(), maps.ravel()), abs=1e-9)


def test_it_learns_from_every_good_training_image_and_no_other(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twinspect.training.trainer import Trainer

    seen: list[str] = []
    read = Trainer.read

    def watched(self: Trainer, model: object, samples: list[ts.data.Sample], **more: object) -> object:
        seen.extend(sample.name for sample in samples)
        return read(self, model, samples, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "read", watched)
    run_trial(detector(), open_data(products / "brick"))
    assert seen == [f"train/good/{number}.png" for number in range(5)]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(products: Path, trial: Trial) -> None:
    again, other = run_trial(detector(), open_data(products)), run_trial(detector(1), open_data(products))
    assert [row.score for row in again.rows] == [row.score for row in trial.rows]
    assert (again.categories, again.mean, again.pooled) == (trial.categories, trial.mean, trial.pooled)
    assert [row.score for row in other.rows] != [row.score for row in trial.rows]


def test_it_agrees_with_evaluate_where_both_measure(products: Path) -> None:
    """One path: a detector that was fitted on the same images finds the same numbers."""
    data = open_data(products)
    good = [sample for sample in data.split("test") if sample.is_good]
    held = [ts.data.Sample(s.path, f"held/{s.name}", "calibration", category=s.category) for s in good]
    fitted = detector().fit(data.with_samples([*data.split("train"), *held]))
    fitted.calibrated_on_ = frozenset()  # else evaluate leaves these images out
    found, trial = ts.evaluate(fitted, data), run_trial(detector(), data)
    for key in SCORE_METRICS:
        assert (trial.mean[key], trial.pooled[key]) == (found.mean[key], found.pooled[key])


def test_nothing_to_learn_from_or_to_test_is_said(products: Path) -> None:
    data = open_data(products)
    with pytest.raises(DataError, match="no good images to train on"):
        run_trial(detector(), data.with_samples(data.split("test")))
    with pytest.raises(DataError, match="no test images"):
        run_trial(detector(), data.with_samples(data.split("train")))
