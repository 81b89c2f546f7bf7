"""Minutes instead of steps: what a stage may take, what the schedule follows, and what is recorded and resumed."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import QUICK, quick
from twinspect.errors import ConfigError
from twinspect.methods.aand import AANDConfig
from twinspect.methods.rd import RD
from twinspect.training.budget import SEGMENT, VALIDATIONS, Budget, StepPace, TimePace, with_steps_made
from twinspect.training.checkpoint import History, State
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.methods.base import Batch

UNTIL_STOPPED = {name: value for name, value in QUICK.items() if name != "steps"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ticking(minutes: float | None) -> Budget | None:
    """Begin a budget whose clock goes on by 0.1 s whenever it is asked."""
    ticks = count()
    return None if minutes is None else Budget(minutes, clock=lambda: 0.1 * next(ticks))


class Counting(NoProgress):
    """Progress that notes what a bar would show."""

    def __init__(self) -> None:
        self.stage, self.total, self.done = "", 0, 0

    def start(self, stage: str, total: int, done: int) -> None:
        self.stage, self.total, self.done = stage, total, done

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        self.done += steps


def state(step: int, done: float, elapsed: float) -> State:
    """What a checkpoint says of the time."""
    return State(0, step, History(), math.inf, {}, {}, done, elapsed)


def run(
    pace: TimePace, clock: Clock, seconds_per_step: float, progress: NoProgress
) -> tuple[list[float], int]:
    """Make steps until the time is over: the share done before each of them, and how many validations."""
    shares, validations = [], 0
    pace.begin(progress, "distil")
    while not pace.is_over:
        shares.append(pace.done)
        clock.now += seconds_per_step
        validations += pace.advance(progress, 0.5)
    return shares, validations


def test_the_share_follows_the_time() -> None:
    clock, progress = Clock(), Counting()
    pace = TimePace(10, clock=clock)
    shares, validations = run(pace, clock, 0.5, progress)
    assert shares == pytest.approx([step / 20 for step in range(20)])
    assert validations == VALIDATIONS
    assert (progress.stage, progress.total, progress.done) == ("distil, seconds", 10, 10)


def test_with_few_steps_each_is_validated() -> None:
    clock, progress = Clock(), Counting()
    shares, validations = run(TimePace(10, clock=clock), clock, 3, progress)
    assert (len(shares), validations, progress.done) == (3, 3, 9)


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.001])
def test_a_stage_without_time_makes_one_step(seconds: float) -> None:
    clock = Clock()
    shares, _ = run(TimePace(seconds, clock=clock), clock, 1, NoProgress())
    assert shares == [0.0]


def test_steps_are_planned_in_segments_until_the_time_is_over() -> None:
    clock = Clock()
    pace, planned = TimePace(100, step=7, clock=clock), []
    for segment in pace.segments():
        planned.append(segment)
        for _ in range(SEGMENT):
            clock.now += 1
            pace.advance(NoProgress(), 0.5)
    assert planned == [(7, 7 + SEGMENT), (7 + SEGMENT, 7 + 2 * SEGMENT)]
    assert list(TimePace(5, first=1.0).segments()) == []  # resumed when it was over


@pytest.mark.parametrize(
    ("seconds_per_step", "steps"), [(3, 3), (3.9, 3), (4.1, 2), (6.6, 2), (6.7, 1), (50, 1)]
)
def test_the_last_step_is_at_most_half_too_late(seconds_per_step: float, steps: int) -> None:
    clock = Clock()
    assert len(run(TimePace(10, clock=clock), clock, seconds_per_step, NoProgress())[0]) == steps


def test_all_processes_follow_their_mean() -> None:
    clock = Clock()
    pace = TimePace(10, agree=lambda share: share / 2, clock=clock)
    clock.now += 10
    pace.advance(NoProgress(), 0.5)
    assert pace.done == 0.5


def test_a_number_of_steps_is_kept() -> None:
    pace, progress = StepPace(25, 5), Counting()
    pace.begin(progress, "distil")
    assert (progress.stage, progress.total, progress.done) == ("distil", 25, 5)
    assert list(pace.segments()) == [(5, 25)]
    validated = [pace.step for _ in range(20) if pace.advance(progress, 0.5)]
    assert validated == list(range(6, 26, 2))
    assert pace.is_over


# The time of all stages and fits ------------------------------------------------------------------------------------


def budget(minutes: float, clock: Clock, *, fits: int = 1, images: int = 0, each: float = 0.0) -> Budget:
    """A budget that starts now."""
    made = Budget(minutes, clock=clock)
    made.share(fits, images, lambda: each)
    return made


def test_stages_share_the_time_in_proportion_to_their_steps() -> None:
    clock = Clock()
    whole = budget(1, clock, images=5, each=2)
    clock.now += 10  # reading and preparing
    whole.start(None)
    first = whole.pace([300, 100], None, 0, float)
    assert first.seconds == pytest.approx((60 - 10 - 5 * 2) * 3 / 4)
    clock.now += first.seconds + 4  # its last step took longer
    last = whole.pace([100], None, 3, float)
    assert last.seconds == pytest.approx(60 - 10 - first.seconds - 4 - (5 + 3) * 2)


def test_the_fits_of_a_cross_validation_share_the_time() -> None:
    clock = Clock()
    whole = budget(1, clock, fits=6)
    whole.start(None)
    assert whole.pace([10], None, 0, float).seconds == 10
    clock.now += 15
    whole.share(5, 0, float)
    whole.start(None)
    assert whole.pace([10], None, 0, float).seconds == 9


def test_a_resumed_training_goes_on_with_the_time_left() -> None:
    clock = Clock()
    whole = budget(1, clock)
    clock.now += 5  # the images are read again
    whole.start(state(40, 0.5, 30))
    pace = whole.pace([100, 50], state(40, 0.5, 30), 0, float)
    assert (pace.step, pace.done) == (40, 0.5)
    assert pace.seconds == pytest.approx((60 - 30 - 5) / 2)  # half a stage of 100 is left, and one of 50
    clock.now += pace.seconds / 2
    pace.advance(NoProgress(), 0.5)
    assert pace.done == pytest.approx(0.75)


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, 1e7])
def test_minutes_that_are_none_are_refused(minutes: float) -> None:
    with pytest.raises(ConfigError, match="minutes must be above 0"):
        Budget.of(minutes)


def test_settings_get_the_steps_that_were_made() -> None:
    config = AANDConfig(amplify_epochs=100, epochs=120)
    made = with_steps_made(config, {"amplify": [1.0] * 7, "distil": [1.0] * 9, "other": [1.0]})
    assert (made.amplify_steps, made.amplify_epochs, made.steps, made.epochs) == (7, 0, 9, 0)


# Whole fits ---------------------------------------------------------------------------------------------------------


def test_a_fit_takes_its_minutes(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    loss: Callable[[RD, Batch], Any] = RD.loss

    def watched(method: RD, batch: Batch) -> Any:
        seen.append(batch.done)
        return loss(method, batch)

    monkeypatch.setattr(RD, "loss", watched)
    monkeypatch.setattr(Budget, "of", ticking)
    detector = ts.Detector("rd", **UNTIL_STOPPED, minutes=1 / 20).fit(parts)
    steps = len(detector.losses_["distil"])
    assert 10 < len(seen) == steps < 30  # of 0.1 s
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0.5 < seen[-1] < 1
    assert detector.model_.method.config.steps == steps  # what was done is recorded
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert loaded.get_params()["minutes"] == 1 / 20
    assert loaded.about()["config"]["steps"] == steps
    assert ts.Detector(**loaded.get_params()).config()  # it may be fitted again


@pytest.mark.parametrize("method", ts.methods())
def test_every_stage_of_every_method_makes_a_step(method: str, parts: Path) -> None:
    settings = {name: value for name, value in quick(method, 2).items() if name != "steps"}
    detector = ts.Detector(method, **settings, minutes=1e-4).fit(parts)
    timed = {stage.name for stage in detector.model_.method.stages() if stage.timed}
    assert all(len(losses) == 1 for name, losses in detector.losses_.items() if name in timed)


def test_an_interrupted_fit_keeps_its_time(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = count(1)
    loss: Callable[[RD, Batch], Any] = RD.loss

    def stopping(method: RD, batch: Batch) -> Any:
        if next(steps) == 3:
            raise KeyboardInterrupt
        return loss(method, batch)

    monkeypatch.setattr(RD, "loss", stopping)
    monkeypatch.setattr("twinspect.training.trainer.SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(Budget, "of", ticking)
    detector = ts.Detector("rd", **UNTIL_STOPPED, minutes=1 / 20)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(parts, checkpoint=tmp_path)
    monkeypatch.setattr(RD, "loss", loss)
    monkeypatch.setattr(Budget, "start", _after_its_time(Budget.start))
    detector.fit(parts, checkpoint=tmp_path, resume=True)
    assert len(detector.losses_["distil"]) == 3  # two before, and the one that is always made


def _after_its_time(start: Callable[[Budget, State | None], None]) -> Callable[[Budget, State | None], None]:
    def started(budget: Budget, state: State | None) -> None:
        assert state is not None
        assert 0 < state.elapsed < 3
        assert 0 < state.done < 1
        budget.used = 180
        start(budget, state)

    return started


@pytest.mark.parametrize("other", [{"steps": 3}, {"epochs": 2}, {"length": "quick"}])
def test_minutes_stand_for_every_other_length(other: dict[str, Any], parts: Path) -> None:
    with pytest.raises(ConfigError, match=r"got both .*minutes=1; give one of them"):
        ts.Detector("rd", **UNTIL_STOPPED, **other, minutes=1).fit(parts)
