"""How long a training will take is said after its first steps."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from twinspect.cli.training_time import TrainingTime, in_words
from twinspect.methods.config import make_config
from twinspect.methods.rd import RDConfig
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def said(capsys: pytest.CaptureFixture[str], clock: Iterator[float], settings: dict[str, Any]) -> list[str]:
    """Run all steps of a stage, each of which takes a tick of the clock, and return what was said."""
    config = make_config(RDConfig, None, settings)
    progress = TrainingTime(NoProgress(), config, clock=lambda: next(clock))
    progress.start("images", 100, 0)
    progress.advance(steps=100)
    progress.start("distil", config.steps, 0)
    for _ in range(config.steps):
        progress.advance(0.5)
    progress.finish()
    return capsys.readouterr().err.splitlines()


def test_it_is_said_once_with_shorter_settings(capsys: pytest.CaptureFixture[str]) -> None:
    # The clock is asked once a step: 4 s each, so the third one tells.
    assert said(capsys, iter(float(4 * n) for n in count()), {}) == [
        (
            "twinspect: distil: about 26 min for the other 397 steps; "
            "shorter: --steps 100 --size 128 (a step takes about 1/4 of the time)"
        )
    ]


def test_a_short_training_has_no_shorter_setting(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"size": 128, "steps": 100}
    assert said(capsys, iter(0.5 * n for n in count()), settings) == [
        "twinspect: distil: about 46 s for the other 92 steps"
    ]
    assert said(capsys, iter(3.0 * n for n in count()), settings) == [
        "twinspect: distil: about 5 min for the other 97 steps"
    ]


def test_nothing_is_said_of_a_training_of_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, iter(0.01 * n for n in count()), {"steps": 30}) == []


def test_resumed_steps_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(4.0 * n for n in count())
    progress = TrainingTime(NoProgress(), RDConfig(), clock=lambda: next(clock))
    progress.start("distil", 400, 390)
    for _ in range(10):
        progress.advance(0.5)
    assert capsys.readouterr().err == "twinspect: distil: about 28 s for the other 7 steps\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (100, "2 min"), (5399, "90 min"), (36_000, "10.0 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


def test_fit_says_which_teacher_it_took(
    run: Any, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    code, _, err = run(
        "fit", parts, "--out", tmp_path / "m.twin", "--size", 64, "--steps", 2, "--device", "cpu"
    )
    assert code == 0
    assert (
        len(re.findall(r"^twinspect: auto took pocket, which comes with this package", err, re.MULTILINE))
        == 1
    )
    assert "--teacher resnet18, which downloads them" in err
