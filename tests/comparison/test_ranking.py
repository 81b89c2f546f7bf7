"""Which candidate is the best and which are not told from it: against scikit-learn and brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from twinspect.comparison.ranking import LEAST, Evidence, drawn_evidence, labelled_evidence
from twinspect.comparison.results import ImageRecord, Result
from twinspect.metrics import compare_aurocs


def images(
    random: np.random.Generator, signal: float, *, categories: int = 1, count: int = 40
) -> list[ImageRecord]:
    """Good and defective images whose scores differ by a signal, and far more between categories."""
    return [
        ImageRecord(f"{category} {label} {n}", label, str(category), 100 * category + gap + random.normal())
        for category in range(categories)
        for label, gap in (("good", 0.0), ("dent", signal))
        for n in range(count)
    ]


def evidence(*signals: float, categories: int = 1, count: int = 40, seed: int = 0) -> Evidence:
    random = np.random.default_rng(seed)
    return Evidence.of(
        {f"c{n}": images(random, s, categories=categories, count=count) for n, s in enumerate(signals)}
    )


def per_category(found: Evidence, text: str) -> list[Any]:
    return [
        roc_auc_score(found.labels[at], found.scores[text][at])
        for at in (found.categories == name for name in np.unique(found.categories))
    ]


@pytest.mark.parametrize("categories", [1, 3])
def test_candidates_are_ranked_by_the_mean_auroc_over_categories(categories: int) -> None:
    found = evidence(0.5, 3.0, 1.5, categories=categories)
    assert found.ranked() == ["c1", "c2", "c0"]
    for text in found.scores:
        low, value, high = found.auroc(text).low, found.auroc(text).value, found.auroc(text).high
        assert value == pytest.approx(np.mean(per_category(found, text)))
        assert low < value < high


def test_two_are_compared_on_the_same_images() -> None:
    found = evidence(3.0, 0.3, 2.9)
    clear, close = found.difference("c0", "c1"), found.difference("c0", "c2")
    expected = compare_aurocs(found.labels, found.scores["c0"], found.scores["c1"])
    assert (clear.value, clear.p_value) == (expected.difference, expected.p_value)
    assert clear.is_clear
    assert not close.is_clear


def test_with_several_categories_they_are_compared_by_the_mean_over_these() -> None:
    found = evidence(2.0, 0.2, categories=2)
    gap = found.difference("c0", "c1")
    assert gap.value == pytest.approx(np.mean(per_category(found, "c0")) - np.mean(per_category(found, "c1")))
    assert gap.low < gap.value < gap.high
    assert gap.is_clear


def test_only_images_that_all_have_scored_count() -> None:
    random = np.random.default_rng(1)
    one, other = images(random, 1.0), images(random, 1.0)[5:]
    found = Evidence.of({"a": one, "b": other})
    assert len(found.names) == len(other)
    assert found.disagreement().keys() == set(found.names)


def test_the_best_of_many_random_ones_is_no_better_on_images_that_did_not_choose_it() -> None:
    sets = [evidence(*[0.0] * 10, count=20, seed=seed) for seed in range(20)]
    assert np.mean([found.auroc(found.ranked()[0]).value for found in sets]) > 0.6
    assert np.mean([found.chosen_elsewhere(0) for found in sets]) == pytest.approx(0.5, abs=0.05)


def test_a_clear_winner_is_as_good_elsewhere() -> None:
    found = evidence(3.0, 0.0, 0.0)
    assert found.chosen_elsewhere(0) == pytest.approx(found.auroc("c0").value, abs=0.02)


def result(*, labelled: list[ImageRecord]) -> Result:
    rows = images(np.random.default_rng(2), 1.0)
    good = [image for image in rows if image.label == "good"]
    drawn = [image for image in rows if image.label != "good"]
    return Result("key", good=good, drawn=drawn, labelled=labelled)


def test_labelled_images_count_where_there_are_enough() -> None:
    rows = images(np.random.default_rng(3), 1.0, count=LEAST)
    assert labelled_evidence({"a": result(labelled=rows)}) is not None
    assert labelled_evidence({"a": result(labelled=rows[1:])}) is None  # four good ones
    assert labelled_evidence({"a": result(labelled=[])}) is None
    assert len(drawn_evidence({"a": result(labelled=rows)}).names) == 80


def test_held_out_images_stand_in_for_good_test_images() -> None:
    defective = [image for image in images(np.random.default_rng(3), 1.0) if image.label != "good"]
    found = labelled_evidence({"a": result(labelled=[*defective])})
    assert found is not None
    assert np.count_nonzero(~found.labels) == 40


def test_without_images_for_two_folds_nothing_is_said_of_other_images() -> None:
    assert evidence(1.0, 2.0, categories=6, count=1).chosen_elsewhere(0) is None
