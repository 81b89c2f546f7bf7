"""The method that is used where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, stripes
from twinspect.errors import ConfigError
from twinspect.methods.aand import AANDConfig
from twinspect.methods.config import make_config, with_length
from twinspect.methods.default import default_for
from twinspect.methods.mkd import MKDConfig

if TYPE_CHECKING:
    from pathlib import Path

TINY: dict[str, Any] = {
    "teacher": "test_resnet",
    "weights": "random",
    "size": 64,
    "device": "cpu",
    "steps": 2,
}


def test_the_default_is_the_hybrid_at_its_own_settings() -> None:
    detector = ts.Detector(device="cpu")
    config = detector.config()
    assert (detector.method, detector.method_name, detector.teacher) == (None, "hybrid", "auto")
    assert (config.size, config.steps, config.epochs) == (256, 300, 0)


SHARP = {"coreset": 1.0, "patches": 20_000, "neighbourhood": 1, "distance": "cosine", "top_share": 0.01}


@pytest.mark.parametrize(
    ("images", "given", "method", "settings"),
    [
        (1, {}, "patchcore", SHARP),
        (3, {}, "patchcore", SHARP),
        (3, {"steps": 2}, "hybrid", {"imitate_steps": 0}),
        (2, {"members": 20, "steps": 2}, "hybrid", {"imitate_steps": 0, "members": 20}),
    ],
)
def test_few_images_get_a_method_of_their_own(
    images: int, given: dict[str, int], method: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    common = {key: QUICK[key] for key in QUICK if key not in ("steps", "batch_size")}
    detector = ts.Detector(**common, **given).fit(np.stack([stripes(number) for number in range(images)]))
    assert (detector.method, detector.method_name) == (None, method)
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert isinstance(loaded, ts.Detector)
    assert (loaded.method, loaded.settings) == (method, settings)
    assert loaded.score(stripes(9)[None]).image == detector.score(stripes(9)[None]).image


@pytest.mark.parametrize(
    ("learnt", "held_out", "has_settings", "expected"),
    [
        (18, 0, False, ("patchcore", SHARP)),
        (18, 0, True, ("hybrid", {"imitate_steps": 0})),
        (19, 0, False, ("hybrid", {})),
        (3, 16, False, ("hybrid", {})),
        (2, 17, False, ("patchcore", SHARP)),
        (2, 17, True, ("hybrid", {})),
    ],
)
def test_the_default_follows_the_number_of_images(
    learnt: int, held_out: int, *, has_settings: bool, expected: tuple[str, dict[str, Any]]
) -> None:
    assert default_for(None, learnt, held_out, has_settings=has_settings) == expected
    assert default_for("rd", learnt, held_out, has_settings=has_settings) == ("hybrid", {})


def test_rd_by_name_keeps_its_size_and_length() -> None:
    config = ts.Detector("rd", device="cpu").config()
    assert (config.size, config.steps) == (256, 400)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": 64}, (64, 300, 0)),
        ({"steps": 7}, (256, 6, 0)),
        ({"epochs": 4}, (256, 300, 2)),
    ],
)
def test_what_is_given_wins(given: dict[str, Any], expected: tuple[int, int, int]) -> None:
    config = ts.Detector(device="cpu", **given).config()
    assert (config.size, config.steps, config.epochs) == expected


def test_a_saved_model_says_what_was_used(parts: Path, tmp_path: Path) -> None:
    ts.Detector(**TINY).fit(parts).save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert (loaded.method, loaded.method_name) == ("hybrid", "hybrid")
    assert loaded.get_params()["steps"] == 2
    assert loaded.get_params()["teacher"] == "test_resnet"


def test_fitted_again_a_saved_default_model_is_the_same(parts: Path, tmp_path: Path) -> None:
    first = ts.Detector(teacher="pocket", size=64, steps=2, device="cpu").fit(parts)
    first.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert isinstance(loaded, ts.Detector)
    assert loaded.clone().fit(parts).calibration_.scores == first.calibration_.scores


# Length: the total of all stages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "first", "second"), [(700, 300, 400), (70, 30, 40), (20, 9, 11), (2, 1, 1), (401, 172, 229)]
)
def test_steps_are_divided_between_the_stages_of_aand(steps: int, first: int, second: int) -> None:
    config = with_length(AANDConfig(), steps=steps, epochs=None)
    assert (config.amplify_steps, config.steps) == (first, second)
    assert config.total_steps(200) == steps


@pytest.mark.parametrize(("epochs", "first", "second"), [(220, 100, 120), (22, 10, 12), (3, 1, 2)])
def test_epochs_are_divided_in_the_authors_proportion(epochs: int, first: int, second: int) -> None:
    config = with_length(AANDConfig(), steps=None, epochs=epochs)
    assert (config.amplify_epochs, config.epochs) == (first, second)
    assert config.total_steps(160) == 10 * epochs  # batches of 16


@pytest.mark.parametrize("amplify", ["none", "gate", "classifier"])
@pytest.mark.parametrize("field", ["steps", "epochs"])
def test_a_stage_that_is_left_out_takes_no_share(amplify: str, field: str) -> None:
    config = make_config(AANDConfig, None, {"amplify": amplify})
    lengths: dict[str, Any] = {"steps": None, "epochs": None} | {field: 20}
    assert with_length(config, **lengths).total_steps(16) == 20  # one batch an epoch


def test_a_stage_whose_length_is_given_keeps_it() -> None:
    config = ts.Detector("aand", device="cpu", steps=50, amplify_steps=40).config()
    assert isinstance(config, AANDConfig)
    assert (config.amplify_steps, config.steps, config.total_steps(100)) == (40, 10, 50)


@pytest.mark.parametrize("settings", [{"steps": 1}, {"steps": 40, "amplify_steps": 40}, {"epochs": 1}])
def test_a_length_too_short_for_both_stages_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="is the total of both stages, and stage I takes"):
        ts.Detector("aand", device="cpu", **settings).config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 4, "amplify_steps": 50}, "got both epochs=4, .* and amplify_steps=50; .* amplify_epochs"),
        ({"steps": 6, "amplify_epochs": 9}, "got both steps=6, .* and amplify_epochs=9; .* amplify_steps"),
    ],
)
def test_lengths_of_two_units_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.Detector("aand", device="cpu", **settings).config()
    ts.Detector(
        "aand", device="cpu", preset="base", **settings
    ).config()  # without stage I, nothing contradicts


def test_steps_replace_the_epochs_of_a_preset() -> None:
    config = with_length(make_config(MKDConfig, None, {"epochs": 5}), steps=9, epochs=None)
    assert (config.steps, config.epochs) == (9, 0)
