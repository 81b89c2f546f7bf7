"""What a fit lacks of its paper: said once, with what to type."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, blemish, quick, stripes, write_image
from twinspect.benchmark.trial import training_images
from twinspect.cli import main
from twinspect.methods import method_class
from twinspect.methods.aand import AANDConfig
from twinspect.methods.config import MethodConfig, is_length, make_config
from twinspect.methods.shortfall import held_out_in_words, shortfall

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
    ("method", "preset"),
    [
        ("rd", "paper"),
        ("aand", "paper"),
        ("aand", "paper,base"),
        ("destseg", "paper"),
        ("dinomaly", "paper"),
        ("dual", "paper"),
        ("efficientad", "paper"),
        ("rdpp", "paper"),
        ("stfpm", "paper"),
    ],
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


@pytest.mark.parametrize(
    ("method", "preset", "settings", "expected"),
    [
        (
            "rd",
            "paper",
            {"batch_size": 1, "sigma": 0.0, "learning_rate": 0.1},
            "batch_size 1 (16), learning_rate 0.1 (0.005), sigma 0.0 (4.0); as there: --preset paper",
        ),
        (
            "aand",
            "paper",
            {"hard_patches": 0, "memory": 1, "margin": 0.0},
            "memory 1 (50), margin 0.0 (0.3); as there: --preset paper,raa",
        ),
        ("mkd", "mnist", {"sigma": 0.0}, "sigma 0.0 (4.0); as there: --preset paper,mnist"),
        (
            "dual",
            "paper",
            {"size": 224, "crop": 0, "tail": "normal"},
            "size 224 (448), crop 0 (392); as there",
        ),
    ],
)
def test_settings_that_the_preset_does_not_name_are_compared_too(
    method: str, preset: str, settings: dict[str, Any], expected: str
) -> None:
    assert f"not as in the paper: {expected}" in note(method, preset, **settings)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("aand", {"textures": "dtd"}),
        ("dual", {"tail": "normal", "clip": 0.0}),
        ("efficientad", {"photographs": "photos"}),
    ],
)
def test_data_and_what_the_paper_leaves_open_are_not_compared(method: str, settings: dict[str, Any]) -> None:
    assert note(method, "paper", **settings) == ""


@pytest.mark.parametrize(
    ("method", "preset"),
    [
        ("aand", "base"),
        ("aand", "mrg"),
        ("aand", "arg"),
        ("aand", "hkd"),
        ("aand", "raa"),
        ("aand", "contrastive"),
        ("aand", "simplenet"),
        ("dual", "local"),
        ("dual", "semantic"),
    ],
)
def test_an_ablation_is_compared_with_the_papers_and_stays_one(method: str, preset: str) -> None:
    assert note(method, preset).endswith(f"; as there: --preset paper,{preset}")
    assert note(method, preset, size=64).count("size 64") == 1
    assert note(method, f"paper,{preset}") == ""
    assert ("interpolation bilinear (bicubic)" in note(method, preset)) == (method == "aand")


@pytest.mark.parametrize("preset", ["mvtec", "medical", "mnist", "cifar10"])
def test_an_experiment_beside_the_papers_preset_lacks_nothing(preset: str) -> None:
    assert note("mkd", f"paper,{preset}") == ""


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


@pytest.mark.parametrize(
    ("method", "images", "batch_size"),
    [("aand", 33, 8), ("destseg", 9, 4), ("dual", 17, 16), ("stfpm", 17, 8)],
)
@pytest.mark.parametrize("categories", [1, 2])
def test_as_many_steps_are_counted_as_are_made(
    method: str, images: int, batch_size: int, categories: int, tmp_path: Path
) -> None:
    for number in range(images * categories):
        folder = tmp_path / f"kind{number % categories}" / "train" / "good"
        write_image(folder / f"{number}.png", stripes(number))
    settings = {**quick(method), "batch_size": batch_size, "size": 32, "calibration": "cv"}
    settings = {name: value for name, value in settings.items() if not is_length(name)}
    detector = ts.Detector(method, **settings, epochs=2)
    data = ts.data.open_data(tmp_path if categories > 1 else tmp_path / "kind0")
    model, history = detector.fitting("").fit_all(training_images(data))
    config = model.method.config
    held_out = config.held_out([images] * categories)
    assert held_out == history.held_out
    assert config.total_steps(images * categories, held_out) == sum(map(len, history.losses.values()))
    if categories == 1:
        assert config.total_steps(images) == sum(map(len, history.losses.values()))


def test_what_a_stage_holds_out_is_said() -> None:
    assert held_out_in_words(AANDConfig(), [17, 33]) == (
        "stage amplify learns from 49 of 50 images and measures itself on the other 1"
    )
    assert held_out_in_words(AANDConfig(), [19]) == held_out_in_words(AANDConfig(amplify="none"), [40]) == ""
    assert held_out_in_words(method_class("dual").Config(), [1]) == ""  # learns from it all the same


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


def test_benchmark_says_what_a_stage_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data", str(tmp_path / "out")
    for number in range(22):
        write_image(data / "train" / "good" / f"{number}.png", stripes(number))
    write_image(data / "test" / "good" / "0.png", stripes(30))
    write_image(data / "test" / "bad" / "0.png", blemish(stripes(31)))
    options = ["--methods", "aand", "--seeds", "0", "--size", "32", "--steps", "2", "--device", "cpu"]
    command = ["benchmark", "folder", "--data", str(data), "--out", out, *options, *AS_ARGUMENTS[:4]]
    assert main(command) == 0
    sentence = "; stage amplify learns from 21 of 22 images and measures itself on the other 1"
    assert sentence in capsys.readouterr().err
    assert main(["benchmark", "report", "--out", out]) == 0
    assert sentence in capsys.readouterr().out
