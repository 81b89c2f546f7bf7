"""What every method must do, run over every method there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import QUICK, blemish, quick, stripes
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

METHODS = sorted(ts.methods())
FEW = np.stack([stripes(number) for number in range(12)])
"""Good images, where it does not count how well they are learnt."""
VARIANTS: dict[str, dict[str, Any]] = {
    "mkd on tiles": {"tile": 32, "overlap": 8},
    "aand contrastive": {"preset": "contrastive", "residual": "learnable"},
    "aand simplenet": {"preset": "simplenet", "noise": 0.1},
}


@pytest.fixture(scope="module", params=[*METHODS, *VARIANTS])
def detector(request: pytest.FixtureRequest, parts: Path) -> ts.Detector:
    method = request.param.split()[0]
    return ts.Detector(method, **quick(method), **VARIANTS.get(request.param, {})).fit(parts)


def weights(detector: ts.Detector) -> dict[str, torch.Tensor]:
    return detector.model_.state_dict()


def test_the_loss_falls_where_something_is_learnt(detector: ts.Detector) -> None:
    stages = {stage.name: stage for stage in detector.model_.method.stages()}
    assert detector.losses_.keys() == {name for name, stage in stages.items() if stage.gather is None}
    for losses in detector.losses_.values():
        assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


def test_a_planted_defect_outscores_its_clean_twin(detector: ts.Detector) -> None:
    clean = np.stack([stripes(300 + n) for n in range(8)])
    dirty = np.stack([blemish(each) for each in clean])
    assert (detector.score(dirty).image > detector.score(clean).image).mean() >= 7 / 8


def test_the_map_peaks_on_the_defect(detector: ts.Detector) -> None:
    found = detector.score(np.stack([blemish(stripes(400 + n)) for n in range(8)])).map
    assert isinstance(found, np.ndarray)
    peaks = [np.unravel_index(each.argmax(), each.shape) for each in found]
    hits = [4 <= row < 24 and 24 <= column < 44 for row, column in peaks]  # the square and 4 px around it
    assert np.mean(hits) >= 6 / 8


def test_a_score_does_not_depend_on_batch_mates(detector: ts.Detector) -> None:
    images = np.stack([blemish(stripes(n)) if n % 3 == 0 else stripes(n) for n in range(11)])
    together = detector.score(images)
    for index in (0, 4, 10):
        alone = detector.score(images[index : index + 1])
        np.testing.assert_allclose(alone.image[0], together.image[index], rtol=1e-4)
        np.testing.assert_allclose(alone.map[0], together.map[index], rtol=1e-3, atol=1e-5)  # type: ignore[index]


def test_maps_have_the_size_of_their_images(detector: ts.Detector, tmp_path: Path) -> None:
    from drawn_parts import write_image

    wide = write_image(tmp_path / "wide.png", stripes(1, 90)[:40])
    tall = write_image(tmp_path / "tall.png", stripes(2, 70)[:, :33])
    found = detector.score([wide, tall])
    assert [each.shape for each in found.map] == [(40, 90), (70, 33)]  # type: ignore[union-attr]


def test_scores_are_unbounded_raw_numbers_with_their_p_values(detector: ts.Detector) -> None:
    found = detector.score(np.stack([stripes(500), blemish(stripes(500))]))
    assert found.image.dtype == np.float32
    assert found.image.shape == (2,)
    np.testing.assert_array_equal(found.p_value, detector.calibration_.p_values(found.image))
    np.testing.assert_array_equal(found.is_anomalous, found.p_value <= detector.calibration_.false_alarm_rate)


@pytest.fixture(scope="module", params=METHODS)
def brief(request: pytest.FixtureRequest) -> tuple[ts.Detector, bool]:
    """A detector that hardly learnt, and whether torch's random state was left as it was."""
    torch.manual_seed(123)
    state = torch.get_rng_state()
    detector = ts.Detector(request.param, **quick(request.param, steps=4)).fit(FEW)
    return detector, torch.equal(torch.get_rng_state(), state)


def test_same_seed_same_weights_to_the_bit_and_another_seed_others(brief: tuple[ts.Detector, bool]) -> None:
    detector, _ = brief
    method, settings = detector.method_name, quick(detector.method_name, steps=4)
    first, second = weights(detector), weights(ts.Detector(method, **settings).fit(FEW))
    other = weights(ts.Detector(method, **settings, seed=1).fit(FEW))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first if "teacher" not in name)


def test_fit_leaves_the_teacher_and_the_callers_random_state_alone(brief: tuple[ts.Detector, bool]) -> None:
    from twinspect.teachers import create_teacher

    before = create_teacher(QUICK["teacher"], weights="random", layers=QUICK["layers"], seed=0).state_dict()
    detector, is_random_state_as_it_was = brief
    assert is_random_state_as_it_was
    after = detector.model_.method.teacher.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("method", "teacher"),
    [
        *((method, "pocket") for method in METHODS),
        *((method, name) for method in ("rd", "dual") for name in ("test_resnet", "test_efficientnet")),
    ],
)
def test_in_bf16_the_first_losses_are_those_of_fp32(method: str, teacher: str) -> None:
    """Whatever precision a teacher's features come in: its last layer decides, and differs from one to another."""
    settings = {
        **quick(method, steps=2),
        "teacher": teacher,
        "weights": None if teacher == "pocket" else "random",
        "layers": None,
    }
    single, half = (ts.Detector(method, **settings, precision=p).fit(FEW).losses_ for p in ("fp32", "bf16"))
    assert single.keys() == half.keys()
    for stage, losses in single.items():
        assert half[stage][0] == pytest.approx(losses[0], rel=0.05)


def test_saved_and_loaded_it_scores_the_same(detector: ts.Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    images = np.stack([blemish(stripes(n)) for n in range(3)])
    one, two = detector.score(images), loaded.score(images)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.map, two.map)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.p_value, two.p_value)
    assert loaded.get_params() == {**detector.get_params(), "device": "auto"}
    assert loaded.calibration_ == detector.calibration_


@pytest.mark.parametrize("method", METHODS)
def test_killed_and_resumed_equals_never_killed(method: str, parts: Path, tmp_path: Path) -> None:
    class Kill:
        """Press Ctrl-C in the middle of a training."""

        def __init__(self, after: int) -> None:
            self.left, self.stage = after, ""

        def start(self, stage: str, total: int, done: int) -> None:
            self.stage = stage

        def finish(self) -> None: ...

        def advance(self, loss: float | None = None) -> None:
            import signal

            is_training = self.stage in stages
            self.left -= is_training
            if is_training and self.left == 0:
                signal.raise_signal(signal.SIGINT)

    settings = quick(method, steps=12)
    whole = ts.Detector(method, **settings).fit(parts)
    stages = [stage.name for stage in whole.model_.method.stages()]
    cut = ts.Detector(method, **settings)
    for after in (5, 4) if whole.losses_ else (1, 2):  # batches gathered
        with pytest.raises(KeyboardInterrupt):
            cut.fit(parts, progress=Kill(after), checkpoint=tmp_path, resume=True)
    cut.fit(parts, checkpoint=tmp_path, resume=True)
    assert all(torch.equal(weights(whole)[name], weights(cut)[name]) for name in weights(whole))
    assert whole.losses_ == cut.losses_
    assert whole.calibration_ == cut.calibration_


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 48, 3), np.uint8),
        np.full((48, 48, 3), 255, np.uint8),
        np.zeros((2, 2, 3), np.uint8),
        stripes(0, 500),
    ],
    ids=["black", "white", "2x2", "large"],
)
def test_odd_images_get_a_finite_score(detector: ts.Detector, image: np.ndarray) -> None:
    found = detector.score(image[None])
    assert np.isfinite(found.image).all()
    assert found.map[0].shape == image.shape[:2]  # type: ignore[index]


def test_a_one_pixel_image_is_one_row_with_its_error(detector: ts.Detector) -> None:
    found = detector.score(np.zeros((1, 1, 1, 3), np.uint8))
    assert "too small" in found.errors[0]
    assert np.isnan(found.image[0])
    assert not found.is_anomalous[0]


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.float32), np.zeros((1, 4, 4, 2), np.uint8)],
)
def test_arrays_of_another_shape_or_type_are_refused_by_name(detector: ts.Detector, bad: np.ndarray) -> None:
    with pytest.raises(ts.errors.DataError, match="allowed"):
        detector.score(bad)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_setting_is_named_with_the_nearest(method: str, parts: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        ts.Detector(method, **quick(method), bach_size=3).fit(parts)
