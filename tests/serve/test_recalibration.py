"""Recalibration: proposed without a trace, applied with one, taken back; and what a promise from feedback means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import comb

from store_data import Clock, accept, calibration, finished, inspect, register
from twinspect.calibration.conformal import Calibration
from twinspect.errors import CalibrationError, ConfigError, NotStoredError
from twinspect.serve.store import Filter, Store, recalibration_checks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twinspect.serve.store import InspectionRow, ModelRow


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(None, tmp_path, now=clock) as opened:
        yield opened


def normal(count: int, seed: int = 5) -> list[float]:
    return [float(warning) for warning in np.random.default_rng(seed).standard_normal(count)]


def confirm(store: Store, rows: Sequence[InspectionRow], verdict: str = "good") -> None:
    for row in rows:
        store.add_feedback(row.id, verdict, "", "ann")  # type: ignore[arg-type]


def confirmed(store: Store, model: ModelRow, scores: Sequence[float], **rest: object) -> list[InspectionRow]:
    rows = inspect(store, model, scores, **rest)  # type: ignore[arg-type]
    confirm(store, rows)
    return rows


def test_a_proposal_changes_nothing(store: Store) -> None:
    model = register(store)
    confirmed(store, model, normal(30))
    before = (store.calibrations(model.id), store.audit(), store.search(Filter()))
    for use in ("confirmed", "confirmed+calibration", "calibration"):
        store.propose(model.id, use=use, false_alarm_rate=0.1)  # type: ignore[arg-type]
    assert (store.calibrations(model.id), store.audit(), store.search(Filter())) == before


def test_confirmed_images_rank_as_a_calibration_of_their_own(store: Store) -> None:
    model = register(store, shown=calibration(map_range=(0.5, 2.0)))
    scores = normal(30)
    rows = confirmed(store, model, scores)
    confirm(store, inspect(store, model, [9.0], start=50), "defect")
    confirm(store, inspect(store, model, [8.0], start=60), "unsure")
    proposal = store.propose(model.id, use="confirmed")
    calibrated = proposal.calibration
    assert calibrated.scores == tuple(sorted(scores))
    assert (calibrated.false_alarm_rate, calibrated.kind, calibrated.map_range) == (0.05, "split", (0.5, 2.0))
    assert calibrated.threshold == sorted(scores)[-1]  # floor(0.05 · 31) = 1 image may lie above
    assert set(calibrated.names) == {f"image:{row.image_sha256}" for row in rows}
    assert (proposal.confirmed, proposal.images, proposal.source) == (30, 30, "confirmed")
    assert proposal.threshold == (calibration().threshold, calibrated.threshold)


def test_changes_are_those_between_the_two_thresholds(store: Store) -> None:
    model = register(store)
    rows = inspect(store, model, normal(60))
    proposal = store.propose(model.id, use="calibration", false_alarm_rate=0.2)
    was, will = calibration().threshold, calibration(rate=0.2).threshold
    scores = {row.id: row.score for row in rows if row.score is not None}
    assert proposal.to_anomalous == tuple(n for n, score in scores.items() if will < score <= was)
    assert (proposal.to_good, proposal.recent) == ((), 60)
    assert proposal.changed == len(proposal.to_anomalous) > 0
    assert proposal.source == "rate"


def test_an_image_sent_twice_counts_once_and_by_its_newest_verdict(store: Store) -> None:
    model = register(store)
    confirmed(store, model, normal(30))
    copies = inspect(store, model, [0.25], start=0)  # the bytes of the first again
    confirm(store, copies)
    assert store.propose(model.id, use="confirmed").images == 30
    confirm(store, copies, "defect")
    assert store.propose(model.id, use="confirmed").images == 29


def test_pooled_with_the_old_images_each_counts_once_and_doubted_ones_leave(store: Store) -> None:
    model = register(store)
    rows = confirmed(store, model, normal(30))
    first = store.propose(model.id, use="confirmed+calibration")
    assert (first.images, first.confirmed) == (129, 30)
    store.apply(model.id, first, "ann", "new lamp")
    assert store.propose(model.id, use="confirmed+calibration").images == 129
    confirm(store, rows[:2], "defect")
    assert store.propose(model.id, use="confirmed+calibration").images == 127
    (warning,) = store.propose(model.id, use="calibration").warnings
    assert "2 of the images of the active calibration are no longer confirmed good" in warning


def test_since_leaves_out_older_images(store: Store, clock: Clock) -> None:
    model = register(store)
    confirmed(store, model, normal(25))
    clock.pass_days(1)
    confirmed(store, model, normal(20, seed=6), start=100)
    assert store.propose(model.id, use="confirmed").images == 45
    late = store.propose(model.id, use="confirmed", since=clock.at.replace(hour=0))
    assert late.images == 20


def test_scores_of_other_weights_are_left_out_and_named(store: Store) -> None:
    model = register(store)
    confirmed(store, model, normal(25))
    foreign = accept(store, model, 500)
    store.finish([finished(foreign, 3.0, calibration(), model.active_calibration_id, weights="b" * 64)])
    confirm(store, [foreign])
    proposal = store.propose(model.id, use="confirmed")
    assert proposal.images == 25
    assert any(
        "1 images confirmed good are left out: other weights scored them, or within another region" in warning
        for warning in proposal.warnings
    )


def test_a_rate_that_cannot_be_promised_is_refused_in_the_calibrations_words(store: Store) -> None:
    model = register(store)
    with pytest.raises(CalibrationError, match="no good images to calibrate with"):
        store.propose(model.id, use="confirmed")
    confirmed(store, model, normal(10))
    with pytest.raises(
        CalibrationError, match=r"10 held-out good images cannot promise .* 0\.05: that needs 19"
    ):
        store.propose(model.id, use="confirmed")
    with pytest.raises(ConfigError, match="between 0 and 1"):
        store.propose(model.id, use="calibration", false_alarm_rate=5)
    with pytest.raises(ConfigError, match="no use 'confirm'; did you mean 'confirmed'"):
        store.propose(model.id, use="confirm")  # type: ignore[arg-type]


def test_categories_keep_their_own_thresholds_or_a_warning_says_so(store: Store) -> None:
    left, right = ("left",) * 40, ("right",) * 40
    both = Calibration((*normal(40), *(s + 10 for s in normal(40))), 0.05, categories=left + right)
    model = register(store, shown=both)
    confirmed(store, model, normal(30), category="left")
    confirmed(store, model, [s + 10 for s in normal(5)], start=100, category="right")
    proposal = store.propose(model.id, use="confirmed")
    assert set(proposal.calibration.by_category) == {"left"}
    assert any("share the pooled one: right" in warning for warning in proposal.warnings)
    pooled = store.propose(model.id, use="confirmed+calibration")
    assert set(pooled.calibration.by_category) == {"left", "right"}


# Applying and taking back -----------------------------------------------------------------------------------


def test_what_is_applied_decides_is_audited_and_can_be_taken_back(store: Store) -> None:
    model = register(store)
    confirmed(store, model, normal(30))
    bundle = store.active(model.id)
    proposal = store.propose(model.id, use="confirmed")
    applied = store.apply(model.id, proposal, "ann", "new lamp")
    assert store.active(model.id) == applied
    assert applied.calibration == proposal.calibration
    assert (applied.source, applied.parent_id, applied.created_by) == ("confirmed", bundle.id, "ann")
    back = store.roll_back(model.id, bundle.id, "bob", "lamp was fine")
    assert store.active(model.id) == back
    assert (back.record, back.source, back.parent_id) == (bundle.record, "rollback", bundle.id)
    assert store.calibrations(model.id) == [back, applied, bundle]
    undone, done, _ = store.audit(model.id)
    assert (undone.who, undone.action, undone.reason) == ("bob", "rollback", "lamp was fine")
    assert undone.details == {"calibration_id": back.id, "from": applied.id, "to": bundle.id}
    assert (done.who, done.action, done.reason) == ("ann", "recalibrate", "new lamp")
    assert done.details["threshold"] == list(proposal.threshold)


def test_a_stale_proposal_is_refused(store: Store) -> None:
    model = register(store)
    proposal = store.propose(model.id, use="calibration", false_alarm_rate=0.1)
    store.apply(model.id, proposal, "ann", "first")
    with pytest.raises(ConfigError, match="'bottle' was recalibrated or replaced since"):
        store.apply(model.id, proposal, "bob", "second")
    fresh = store.propose(model.id, use="calibration", false_alarm_rate=0.2)
    register(store, weights="b" * 64)
    with pytest.raises(ConfigError, match="was recalibrated or replaced since"):
        store.apply(model.id, fresh, "bob", "third")
    other = register(store, "nut")
    with pytest.raises(ConfigError, match=f"of model {model.id}, not of 'nut'"):
        store.apply(other.id, fresh, "bob", "fourth")


def test_rolling_back_to_what_does_not_fit_is_refused(store: Store) -> None:
    model, other = register(store), register(store, "nut")
    with pytest.raises(ConfigError, match="is the active one"):
        store.roll_back(model.id, model.active_calibration_id, "ann", "why not")
    with pytest.raises(NotStoredError, match="has no calibration of id"):
        store.roll_back(model.id, other.active_calibration_id, "ann", "wrong one")
    with pytest.raises(NotStoredError, match="no calibration of id 99"):
        store.roll_back(model.id, 99, "ann", "wrong one")
    register(store, weights="b" * 64)
    with pytest.raises(ConfigError, match="holds scores of other weights"):
        store.roll_back(model.id, model.active_calibration_id, "ann", "old times")


@pytest.mark.parametrize(("who", "reason"), [("", "new lamp"), ("ann", " ")])
def test_a_change_says_who_and_why(store: Store, who: str, reason: str) -> None:
    model = register(store)
    proposal = store.propose(model.id, use="calibration", false_alarm_rate=0.1)
    with pytest.raises(ConfigError, match="needs who makes it and why"):
        store.apply(model.id, proposal, who, reason)
    with pytest.raises(ConfigError, match="needs who makes it and why"):
        store.roll_back(model.id, model.active_calibration_id, who, reason)
    assert len(store.calibrations(model.id)) == 1


def test_both_databases_apply_and_roll_back(database: str, tmp_path: Path) -> None:
    with Store(database, tmp_path) as store:
        model = register(store)
        confirmed(store, model, normal(20))
        applied = store.apply(model.id, store.propose(model.id, use="confirmed"), "ann", "new lamp")
        assert applied.calibration.scores == tuple(sorted(normal(20)))  # to the last bit
        back = store.roll_back(model.id, model.active_calibration_id, "ann", "no")
        assert back.calibration == calibration()


# What the promise is worth ----------------------------------------------------------------------------------


def test_who_confirms_what_was_flagged_is_warned(store: Store) -> None:
    model = register(store)
    scores = normal(400)
    high = sorted(scores)[-30:]  # the queue of alarms, gone through one by one
    confirmed(store, model, high)
    warnings = store.propose(model.id, use="confirmed").warnings
    assert any("threshold comes out too high and defects are missed" in warning for warning in warnings)
    pooled = store.propose(model.id, use="confirmed+calibration").warnings
    assert any("score differently from the calibration's own" in warning for warning in pooled)


def test_who_leaves_out_what_was_flagged_is_warned(store: Store) -> None:
    model = register(store, shown=calibration(rate=0.2))
    confirmed(store, model, [score for score in normal(80) if score < calibration(rate=0.2).threshold])
    warnings = store.propose(model.id, use="confirmed").warnings
    assert any("more false alarms than promised" in warning for warning in warnings)


def test_a_fair_sample_is_not_warned_about(store: Store) -> None:
    model = register(store)
    confirmed(store, model, normal(60))
    assert store.propose(model.id, use="confirmed+calibration").warnings == ()


def test_a_defect_among_the_confirmed_is_pointed_out(store: Store) -> None:
    model = register(store)
    rows = confirmed(store, model, [*normal(60), 50.0])
    warnings = store.propose(model.id, use="confirmed").warnings
    assert any(f"look at them again: image:{rows[-1].image_sha256}" in warning for warning in warnings)


def test_fair_samples_are_warned_about_as_rarely_as_is_said() -> None:
    random = np.random.default_rng(3)
    says = [bool(recalibration_checks.flagged(calibration(39), 50, alarms)) for alarms in range(51)]
    warned = 0
    for _ in range(1500):
        active = Calibration(tuple(random.standard_normal(39)), 0.05)
        warned += says[int(active.is_anomalous(random.standard_normal(50)).sum())]
    assert warned <= 1500 * 2 * recalibration_checks.LEVEL + 3 * np.sqrt(
        1500 * 2 * recalibration_checks.LEVEL
    )


def test_the_law_of_alarms_is_that_of_ranks() -> None:
    """Of n + m exchangeable scores: k new ones above the a-th highest old one, by counting arrangements."""
    n, m, a = 39, 50, 2
    exact = [comb(k + a - 1, k, exact=True) * comb(m - k + n - a, m - k, exact=True) for k in range(m + 1)]
    tail = np.cumsum(exact[::-1])[::-1] / comb(n + m, m, exact=True)
    active = Calibration(tuple(np.random.default_rng(0).standard_normal(n)), 0.05)
    assert np.sum(np.asarray(active.scores) >= active.threshold) == a
    first = next(k for k in range(m + 1) if tail[k] < recalibration_checks.LEVEL)
    assert "too high" in recalibration_checks.flagged(active, m, first)
    assert recalibration_checks.flagged(active, m, first - 1) == ""
