"""Presets are changes, lengths come from the device or from what was asked for, and ``paper`` takes its teacher."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK
from twinspect.cli import main
from twinspect.cli.fit import build
from twinspect.cli.method_settings import options_of_row
from twinspect.cli.parser import build_parser
from twinspect.errors import ConfigError, TeacherError
from twinspect.methods import method_class, methods
from twinspect.methods.aand import AANDConfig
from twinspect.methods.config import MethodConfig, make_config, to_record, usual_length
from twinspect.teachers import auto, create_teacher

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.teachers import Teacher

ABLATIONS = ("base", "mrg", "arg", "raa", "hkd", "contrastive", "simplenet")
TEACHERS = {
    "rd": "wide_resnet50_2",
    "aand": "wide_resnet50_2",
    "destseg": "resnet18",
    "mkd": "vgg16",
    "dual": "vit_base_patch14_reg4_dinov2.lvd142m",
    "stfpm": "resnet18",
    "rdpp": "wide_resnet50_2",
    "dinomaly": "vit_base_patch14_reg4_dinov2.lvd142m",
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing in the hub's cache."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def on(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinspect.inference.chosen_networks.choose_device", lambda _: torch.device(device))


def lengths(config: MethodConfig) -> tuple[int, ...]:
    """Steps and epochs of the last stage, then those of the first."""
    assert isinstance(config, AANDConfig)
    return config.steps, config.epochs, config.amplify_steps, config.amplify_epochs


# Lengths ----------------------------------------------------------------------------------------------------------

QUICKLY, AS_LONG_AS_THE_AUTHORS = (400, 0, 300, 0), (400, 120, 300, 100)


@pytest.mark.parametrize("preset", [None, *ABLATIONS])
@pytest.mark.parametrize(
    ("length", "device", "expected"),
    [
        (None, "cpu", QUICKLY),
        (None, "cuda", AS_LONG_AS_THE_AUTHORS),
        ("quick", "cuda", QUICKLY),
        ("paper", "cpu", AS_LONG_AS_THE_AUTHORS),
    ],
)
def test_ablations_are_as_long_as_what_they_are_compared_with(
    preset: str | None,
    length: str | None,
    device: str,
    expected: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(device, monkeypatch)
    detector = ts.Detector("aand", preset=preset, length=length)
    assert lengths(detector.config()) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"preset": "paper"}, AS_LONG_AS_THE_AUTHORS),
        ({"preset": "paper", "length": "quick"}, QUICKLY),
        ({"preset": "paper", "length": "paper"}, AS_LONG_AS_THE_AUTHORS),
        ({"preset": "quick"}, QUICKLY),
        ({"preset": "quick", "length": "paper"}, AS_LONG_AS_THE_AUTHORS),
        ({"preset": "paper,base"}, AS_LONG_AS_THE_AUTHORS),
        ({"preset": "paper, arg"}, AS_LONG_AS_THE_AUTHORS),
        ({"preset": "paper", "epochs": 22}, (400, 12, 300, 10)),
        ({"preset": "paper", "steps": 70}, (40, 0, 30, 0)),
        ({"preset": "paper", "amplify_epochs": 7}, (400, 120, 300, 7)),
        ({"preset": "paper", "amplify_steps": 7}, (400, 120, 7, 0)),
        ({"length": "paper", "amplify_steps": 7}, (400, 120, 7, 0)),
    ],
)
def test_what_is_more_precise_wins(parameters: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert lengths(ts.Detector("aand", device="cpu", **parameters).config()) == expected


@pytest.mark.parametrize(
    ("method", "preset", "message"),
    [
        (
            "aand",
            "mrg,arg",
            "presets mrg and arg contradict each other: amplify gate and generator; name one",
        ),
        ("aand", "paper,base,mrg", "presets base and mrg contradict each other: amplify none and gate"),
        ("aand", "paper,quick", "presets paper and quick contradict .* --preset paper --length quick"),
        ("dual", "local,semantic", "presets local and semantic contradict each other: branch"),
        ("mkd", "medical,mnist", "presets medical and mnist contradict each other: size 128 and 32"),
    ],
)
def test_presets_that_contradict_each_other_are_refused(method: str, preset: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.Detector(method, preset=preset, device="cpu").config()


def test_presets_that_agree_are_joined() -> None:
    joined = make_config(AANDConfig, "raa,contrastive", {})
    assert (joined.hard_patches, joined.objective) == (0, "contrastive")


def test_a_papers_crop_beside_another_size_says_what_to_type() -> None:
    with pytest.raises(ConfigError, match=r"at most size, which is 64, got 392; .* type: --crop 0"):
        ts.Detector("dual", preset="paper", size=64, device="cpu").config()


def test_several_presets_are_joined_and_the_later_one_wins() -> None:
    config = ts.Detector("mkd", device="cpu", preset="paper,mnist").config()
    assert (config.size, config.epochs, to_record(config)["value_weight"]) == (32, 50, 0.01)
    assert (
        to_record(config)["localization"] == to_record(make_config(type(config), "paper", {}))["localization"]
    )


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_every_method_has_a_paper(name: str) -> None:
    config = method_class(name).Config
    assert "paper" in config.PRESETS
    assert teacher_of(name) == TEACHERS[name]
    quick, authors = (make_config(config, None, {}, length) for length in ("quick", "paper"))
    assert quick == config()
    assert authors.total_steps(1000) > quick.total_steps(1000)


def teacher_of(name: str) -> str:
    return method_class(name).Config.PAPER_TEACHER


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"length": "papre"}, "no length 'papre'; did you mean 'paper'"),
        ({"length": "quick", "steps": 5}, "got both length='quick' and steps=5; give one of them"),
        ({"length": "paper", "epochs": 5}, "got both length='paper' and epochs=5"),
        ({"preset": "paper,bse"}, "no preset 'bse'; did you mean 'base'"),
        ({"preset": ""}, "no preset ''"),
        ({"preset": "mvtec"}, "known: .*paper.*; what another method has: twinspect methods NAME"),
    ],
)
def test_mistakes_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.Detector("aand", device="cpu", **parameters).config()


@dataclass(frozen=True)
class _OwnConfig(MethodConfig):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"large": {"size": 512}}


def test_a_method_without_a_paper_has_its_own_length_everywhere() -> None:
    assert usual_length(_OwnConfig, None, on_cpu=False) is None
    assert make_config(_OwnConfig, "large", {}).size == 512
    with pytest.raises(ConfigError, match="has no length 'paper'; give steps or epochs"):
        make_config(_OwnConfig, None, {}, "paper")


def test_the_default_method_has_no_papers_length() -> None:
    quick = ts.Detector(device="cpu", length="quick").config()
    assert (quick.size, quick.steps, quick.epochs) == (256, 300, 0)
    with pytest.raises(ConfigError, match="hybrid has no length 'paper'; give steps or epochs"):
        ts.Detector(device="cpu", length="paper").config()


def test_a_saved_length_is_that_of_the_next_fit(parts: Path, tmp_path: Path) -> None:
    settings = {name: value for name, value in QUICK.items() if name != "steps"}
    fitted = ts.Detector("aand", preset="mrg", length="quick", amplify_steps=3, **settings).fit(parts)
    fitted.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert isinstance(loaded, ts.Detector)
    assert (loaded.preset, loaded.length) == ("mrg", "quick")
    assert loaded.clone().config() == fitted.config()


# The teacher ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TEACHERS))
@pytest.mark.parametrize("given", ["auto", None])
def test_paper_takes_the_teacher_of_the_paper(
    name: str, given: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    built: list[Any] = []

    def build(*arguments: Any) -> Teacher:
        built.append(arguments)
        return create_teacher("pocket")

    monkeypatch.setattr(auto, "build", build)
    detector = ts.Detector(name, preset="paper", teacher=given, weights="random", device="cpu", seed=3)
    with caplog.at_level(logging.WARNING):
        teacher = detector.fitting("").teacher
    assert [(each[0], each[1], each[3]) for each in built] == [(TEACHERS[name], "random", 3)]
    assert f"preset paper took {TEACHERS[name]}, the teacher of the paper, with the weights" in caplog.text
    assert caplog.messages[0] in teacher.notes


def test_the_transformers_levels_are_those_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[Any] = []
    monkeypatch.setattr(
        "twinspect.inference.chosen_networks.build_paper_teacher",
        lambda *arguments: levels.append(arguments[2]),
    )
    ts.Detector("dual", preset="paper", device="cpu").fitting("")
    assert levels == [(2, 3, 4, 5, 6, 7, 8, 9, 10, 11)]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "parameters",
    [
        {"preset": "paper", "teacher": "pocket", "length": "quick"},
        {"preset": "base"},
        {"length": "paper"},
        {"preset": None},
    ],
)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_teacher_that_is_named_wins_and_a_length_takes_none(
    parameters: dict[str, Any], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is downloaded that nobody asked for, whatever the device."""
    on(device, monkeypatch)
    assert ts.Detector("aand", **parameters).fitting("").teacher.name == "pocket"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_without_its_weights_one_error_says_what_to_do(name: str) -> None:
    with pytest.raises(TeacherError) as caught:
        ts.Detector(name, preset="paper", device="cpu").fitting("")
    text = str(caught.value)
    for part in (
        "preset paper takes the teacher of the paper; for another: --teacher NAME",
        "HF_HUB_OFFLINE is set",
        f"hf download timm/{TEACHERS[name]}",
        "--weights model.safetensors",
    ):
        assert part in text
    assert "\n" not in text


@pytest.mark.usefixtures("offline")
def test_a_fit_without_the_weights_is_one_line_and_code_2(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "fit",
        str(parts),
        "--out",
        str(tmp_path / "m.twin"),
        "--method",
        "aand",
        "--preset",
        "paper",
    ]
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "preset paper took wide_resnet50_2" in line]
    assert "hf download" in lines[-1]
    assert not (tmp_path / "m.twin").exists()


def test_a_transformers_size_names_what_to_type_for_a_convolutional_teacher() -> None:
    with pytest.raises(ConfigError, match="--crop 384"):
        method_class("dual")(
            create_teacher("pocket"), make_config(method_class("dual").Config, "paper", {})
        ).check_size(392, 392)


# The command line -------------------------------------------------------------------------------------------------


def test_a_preset_and_a_length_are_typed_side_by_side(parts: Path, tmp_path: Path) -> None:
    arguments = ["--method", "aand", "--preset", "paper,mrg", "--length", "quick", "--amplify-steps", "2"]
    out = tmp_path / "m.twin"
    command = ["fit", str(parts), "--out", str(out), "--size", "64", "--no-detectability", "--device", "cpu"]
    assert main([*command, *arguments, *AS_ARGUMENTS]) == 0
    loaded = ts.load(out)
    assert loaded.get_params()["preset"] == "paper,mrg"
    assert sum(map(len, loaded.losses_.values())) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--length", "papre"], "invalid choice: 'papre' (choose from "),
        (["--length", "quick", "--steps", "3"], "not allowed with argument --length"),
        (["--preset", "paper,bas"], "no preset 'bas'; did you mean 'base'"),
    ],
)
def test_mistyped_lengths_are_one_line(
    options: list[str], message: str, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", str(parts), "--out", str(tmp_path / "m.twin"), "--method", "aand", *options]
    try:
        code = main(command)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shared", "row", "expected"),
    [
        ([], {"length": "paper"}, AS_LONG_AS_THE_AUTHORS),
        (["--steps", "70"], {"length": "quick"}, QUICKLY),
        (["--length", "paper"], {"steps": "70"}, (40, 0, 30, 0)),
        (["--length", "paper"], {"preset": "mrg"}, AS_LONG_AS_THE_AUTHORS),
    ],
)
def test_the_length_of_a_row_replaces_that_of_the_command(
    shared: list[str], row: dict[str, str], expected: tuple[int, ...]
) -> None:
    options = build_parser().parse_args(["fit-many", "m.csv", "--out", "o", "--device", "cpu", *shared])
    detector = build(options_of_row(options, {"method": "aand", **row}))
    assert lengths(detector.config()) == expected


@pytest.mark.parametrize("name", sorted(methods()))
def test_methods_names_the_teacher_of_the_paper(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paper_teacher"] == (teacher_of(name) or None)
