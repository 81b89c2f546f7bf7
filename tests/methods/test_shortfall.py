"""What a fit lacks of its paper: said once, with what to type."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from drawn_parts import AS_ARGUMENTS
from twinspect.cli import main
from twinspect.methods import method_class
from twinspect.methods.config import MethodConfig, make_config
from twinspect.methods.shortfall import shortfall

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def note(
    method: str, preset: str | None, length: str | None = None, teacher: str = "", **settings: Any
) -> str:
    """The shortfall on 160 images, which are ten batches of 16."""
    cls = method_class(method).Config
    return shortfall(make_config(cls, preset, settings, length), teacher or cls.PAPER_TEACHER, [160])


@pytest.mark.parametrize(
    ("method", "preset"), [("rd", "paper"), ("aand", "paper"), ("aand", "paper,base"), ("dual", "paper")]
)
def test_the_papers_experiment_lacks_nothing(method: str, preset: str) -> None:
    assert note(method, preset) == ""


@pytest.mark.parametrize("preset", ["paper", "mvtec", "medical", "mnist", "cifar10"])
def test_an_experiment_is_compared_with_itself(preset: str) -> None:
    """A model of MNIST is not told to be longer because the paper trained longer on other images."""
    assert note("mkd", preset) == ""
    typed = "paper" if preset in ("paper", "mvtec") else f"paper,{preset}"
    assert note("mkd", preset, teacher="pocket") == (
        f"not as in the paper: teacher pocket (vgg16); as there: --preset {typed}"
    )


def test_length_settings_and_teacher_are_named_with_the_papers() -> None:
    assert note("rd", None, size=128, steps=100, teacher="pocket") == (
        "not as in the paper: 100 steps (2000 on 160 images), size 128 (256), decay on (off), teacher pocket "
        "(wide_resnet50_2); as there: --preset paper"
    )


def test_where_the_length_alone_is_short_the_length_is_what_to_type() -> None:
    assert note("rd", "paper", "quick") == (
        "not as in the paper: 400 steps (2000 on 160 images); as there: --length paper"
    )


def test_a_longer_training_lacks_nothing() -> None:
    assert note("rd", "paper", None, steps=9000, epochs=0) == ""


def test_the_tag_of_the_weights_is_no_other_teacher() -> None:
    assert note("rd", "paper", teacher="wide_resnet50_2.tv_in1k") == ""


def test_several_fits_are_added_up() -> None:
    config = make_config(method_class("rd").Config, "paper", {}, "quick")
    assert "800 steps (3000 on 240 images in 2 fits)" in shortfall(config, "wide_resnet50_2", [160, 80])
    assert shortfall(config, "wide_resnet50_2", []) == ""


def test_a_method_without_a_paper_has_nothing_to_lack() -> None:
    assert shortfall(MethodConfig(), "pocket", [160]) == ""


@pytest.fixture
def runs(parts: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make a run of so many steps in one store."""

    def run(steps: int) -> Path:
        out = tmp_path / "runs"
        options = [
            "--methods",
            "rd",
            "--seeds",
            "0",
            "--size",
            "64",
            "--steps",
            str(steps),
            "--device",
            "cpu",
        ]
        command = ["benchmark", "folder", "--data", str(parts), "--out", str(out), *options]
        assert main([*command, *AS_ARGUMENTS[:4]]) == 0
        return out

    return run


def test_benchmark_says_it_before_and_in_its_tables(
    runs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = runs(steps=2)
    assert "rd, seed 0: not as in the paper: 2 steps (" in capsys.readouterr().err
    assert main(["benchmark", "report", "--out", str(out)]) == 0
    table = capsys.readouterr().out
    assert "## Not as in the papers" in table
    assert "teacher test_byobnet (wide_resnet50_2); as there: --preset paper" in table


def test_older_runs_that_lack_a_setting_stand_beside_newer_ones(
    runs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    runs(steps=1)
    out = runs(steps=2)
    with closing(sqlite3.connect(out / "runs.sqlite")) as connection:
        connection.execute("update runs set config = json_remove(config, '$.decay') where rowid = 1")
        connection.commit()
    assert main(["benchmark", "report", "--out", str(out)]) == 0
    table = capsys.readouterr().out
    assert "| rd (steps 1) |" in table
    assert "| rd (steps 2, decay True) |" in table
