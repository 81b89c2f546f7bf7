"""The hybrid's parts against NumPy, SciPy and scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cosine
from sklearn.neighbors import NearestNeighbors

import twinspect as ts
from drawn_parts import quick, stripes
from twinspect.methods.base import Batch
from twinspect.methods.config import config_of_record, to_record, with_length
from twinspect.methods.hybrid import Hybrid, HybridConfig, warmed_cosine
from twinspect.methods.networks.map_scale import MapScale
from twinspect.methods.networks.patch_features import as_rows, patch_features
from twinspect.methods.networks.patch_student import PatchStudent, cosine_distances
from twinspect.methods.networks.place_statistics import PlaceStatistics
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def detector(parts: Path) -> ts.Detector:
    return ts.Detector("hybrid", **quick("hybrid", 10), patch_stride=4).fit(parts)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_statistics_of_places_are_those_of_smoothed_moments() -> None:
    values = random(7, 9, 11) + torch.arange(11)
    statistics = PlaceStatistics()
    statistics.gather(values.split(3))
    array = values.double().numpy()
    mean = ndimage.gaussian_filter(array.mean(axis=0), 1.0, mode="mirror", truncate=4.0)
    variance = ndimage.gaussian_filter(array.var(axis=0), 1.0, mode="mirror", truncate=4.0)
    deviation = np.sqrt(variance) + 0.1 * array.std()
    np.testing.assert_allclose(statistics.mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(statistics.deviation, deviation, rtol=1e-5)
    np.testing.assert_allclose(statistics(values), (array - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_statistics_of_a_single_image_come_from_all_its_places() -> None:
    values = random(1, 6, 6)
    statistics = PlaceStatistics()
    statistics.gather([values])
    np.testing.assert_allclose(
        statistics.deviation, np.full((6, 6), 0.1 * values.double().numpy().std()), rtol=1e-5
    )


def test_statistics_of_constant_maps_are_finite() -> None:
    statistics = PlaceStatistics()
    statistics.gather([torch.ones(2, 4, 4)])
    assert torch.isfinite(statistics(torch.full((1, 4, 4), 1.5))).all()


def test_on_the_scale_good_maps_have_mean_0_and_mean_peak_1() -> None:
    maps = random(5, 6, 7).exp()
    scale = MapScale(2)
    scale.measure(1, maps.split(2))
    scaled = scale(torch.stack([maps, maps], dim=1))
    torch.testing.assert_close(scaled[:, 0], maps)  # a branch that was not measured stays as it is
    assert float(scaled[:, 1].mean()) == pytest.approx(0, abs=1e-6)
    assert float(scaled[:, 1].amax(dim=(1, 2)).mean()) == pytest.approx(1, rel=1e-5)


def test_distances_between_patches_are_sums_of_scipys_cosine_distances() -> None:
    patches, rebuilt = random(8, 12), random(8, 12, seed=1)
    found = cosine_distances(patches, rebuilt, (5, 7))
    expected = [
        cosine(one[:5], other[:5]) + cosine(one[5:], other[5:])
        for one, other in zip(patches.double().numpy(), rebuilt.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_student_standardises_by_the_moments_of_all_patches() -> None:
    patches = random(50, 6) * torch.tensor([1.0, 2, 3, 4, 5, 0]) + 3
    student = PatchStudent(6, width=4, bottleneck=2)
    student.gather(patches.split(20))
    array = patches.double().numpy()
    np.testing.assert_allclose(student.mean, array.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(student.deviation[:5], array.std(axis=0)[:5], rtol=1e-5)
    assert float(student.deviation[5]) == pytest.approx(1e-3 * array.std(axis=0).mean(), rel=1e-5)


def test_the_student_is_the_network_worked_out_in_numpy() -> None:
    torch.manual_seed(0)
    student = PatchStudent(5, width=4, bottleneck=2)
    student.mean, student.deviation = random(5), random(5, seed=1).exp()
    patches = random(3, 5, seed=2)
    weights = [value.detach().double().numpy() for value in student.layers.parameters()]
    values = (patches.double().numpy() - student.mean.numpy()) / student.deviation.numpy()
    for index, (matrix, bias) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
        values = values @ matrix.T + bias
        if index < 3:
            values = values * 0.5 * (1 + np.vectorize(_erf)(values / np.sqrt(2)))
    expected = values * student.deviation.numpy() + student.mean.numpy()
    np.testing.assert_allclose(student(patches).detach(), expected, rtol=1e-4, atol=1e-5)


def _erf(value: float) -> float:
    from math import erf

    return erf(value)


def test_the_student_has_the_parameters_of_its_layers() -> None:
    student = PatchStudent(384, width=192, bottleneck=24)
    counted = sum(parameter.numel() for parameter in student.parameters())
    assert counted == (384 * 192 + 192) + (192 * 24 + 24) + (24 * 192 + 192) + (192 * 384 + 384)


def test_the_sums_of_four_maps_are_those_worked_out_one_by_one(detector: ts.Detector) -> None:
    method = detector.model_.method
    assert isinstance(method, Hybrid)
    images = random(2, 3, 64, 64)
    with torch.no_grad():
        levels = [level.float() for level in method.teacher(images)]
        assert [level.reduction for level in method.teacher.levels] == [2, 4]
        averaged, sharp = patch_features(levels[1:], 3), patch_features(levels[1:], 1)
        search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(
            method.memory.members.double().numpy()
        )
        nearest = search.kneighbors(as_rows(averaged).double().numpy())[0].reshape(2, *averaged.shape[-2:])
        widths = [level.shape[1] for level in levels[1:]]
        imitated = [level.numpy() for level in method.imitator(images)]
        errors = (
            cosine_distances(as_rows(sharp), method.student(as_rows(sharp)), widths)
            .view(nearest.shape)
            .numpy()
        )
        found = method(images)
    unusual = (errors - method.usual_errors.mean.numpy()) / method.usual_errors.deviation.numpy()
    scaled = [
        (each - float(centre)) / float(range_)
        for each, centre, range_ in zip(
            (nearest, errors, unusual), method.scale.centres, method.scale.ranges, strict=True
        )
    ]
    product = np.prod([enlarged(half_squares(*pair)) for pair in zip(levels, imitated, strict=True)], axis=0)
    imitation = (product ** (1 / len(levels)) - float(method.imitation_scale.centres)) / float(
        method.imitation_scale.ranges
    )
    features = enlarged(np.mean(scaled, axis=0))
    shown = torch.from_numpy((features + imitation) / 2).float()
    torch.testing.assert_close(found.map, shown, rtol=1e-3, atol=1e-3)
    alike = (3 * features + imitation) / 4
    highest = np.sort(alike.reshape(2, -1), axis=1)[:, -int(0.003 * 64 * 64) :]
    np.testing.assert_allclose(method.image_score(found), highest.mean(axis=1), rtol=1e-3)
    left = np.zeros((2, 64, 64), dtype=bool)
    left[:, :, :32] = True
    highest = np.sort(alike[left].reshape(2, -1), axis=1)[:, -int(0.003 * 64 * 64) :]  # as many as of all
    np.testing.assert_allclose(
        method.image_score(found, torch.from_numpy(left)), highest.mean(axis=1), rtol=1e-3
    )


def test_a_model_of_before_compares_features_as_they_are(parts: Path) -> None:
    method = ts.Detector("hybrid", **quick("hybrid", 2), distance="euclidean").fit(parts).model_.method
    assert isinstance(method, Hybrid)
    record = to_record(method.config)
    assert record.pop("distance") == "euclidean"
    assert config_of_record(HybridConfig, record).distance == "euclidean"
    members = method.memory.members.double().numpy()
    assert np.ptp(np.linalg.norm(members, axis=1)) > 0.1
    with torch.no_grad():
        levels = [level.float() for level in method.teacher(random(2, 3, 64, 64))]
        found = method._distances(levels)
    patches = as_rows(patch_features(levels, 3)).double().numpy()
    expected, _ = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(members).kneighbors(patches)
    np.testing.assert_allclose(found.flatten(), expected[:, 0], rtol=1e-3, atol=1e-4)


def test_a_model_of_before_shows_the_map_that_its_score_is_taken_from(detector: ts.Detector) -> None:
    method = detector.model_.method
    assert isinstance(method, Hybrid)
    record = to_record(method.config)
    assert record.pop("imitate_share") == 0.5
    before = Hybrid(method.teacher, config_of_record(HybridConfig, record)).eval()
    before.memory.members = method.memory.members
    before.load_state_dict(method.state_dict())
    before.to(memory_format=torch.channels_last)  # as a loaded model: otherwise the last bits differ
    images = random(2, 3, 64, 64)
    with torch.no_grad():
        now, then = method(images), before(images)
    torch.testing.assert_close(then.map, now.context[0], rtol=0, atol=0)
    torch.testing.assert_close(before.image_score(then), method.image_score(now), rtol=0, atol=0)


def half_squares(teacher: torch.Tensor, student: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (teacher.numpy(), student)]
    return np.square(units[0] - units[1]).sum(axis=1) / 2


def enlarged(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    tensor = torch.from_numpy(values).float()[:, None]
    return torch.nn.functional.interpolate(tensor, size=(64, 64), mode="bilinear")[:, 0].numpy()


def watched(monkeypatch: pytest.MonkeyPatch, name: str) -> list[bytes]:
    """Collect the features of the images that a function of the method is given."""
    original, images = getattr(Hybrid, name), []

    def collect(self: Hybrid, *arguments: Any) -> None:
        batches = list(arguments[-1])
        images.extend(level.numpy().tobytes() for batch in batches for level in batch.targets[0])
        original(self, *arguments[:-1], batches)

    monkeypatch.setattr(Hybrid, name, collect)
    return images


def test_scales_are_measured_on_images_that_nothing_was_learnt_from(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt, measured = watched(monkeypatch, "gather"), watched(monkeypatch, "measure")
    ts.Detector("hybrid", **quick("hybrid", 2)).fit(parts)
    trained, held = set(learnt), measured
    assert held
    assert not trained & set(held)
    assert len(set(held)) * 3 == len(held)  # the same ones for all three maps
    images = len(trained) + len(set(held))
    stages = ("gather", "distil", "places", "imitate")
    assert HybridConfig().held_out([images]) == dict.fromkeys(stages, len(set(held)))
    assert "imitate" not in HybridConfig(imitate_steps=0).held_out([images])


def test_the_memory_keeps_as_many_patches_as_asked_for(parts: Path) -> None:
    settings = {**quick("hybrid", 2), "members": 7}
    method = ts.Detector("hybrid", **settings).fit(parts).model_.method
    assert len(method.memory.members) == 7


def test_the_step_size_rises_and_falls() -> None:
    assert warmed_cosine(0) == pytest.approx(0.2, rel=0.01)
    assert warmed_cosine(0.05) == pytest.approx(0.5 * (1 + np.cos(np.pi * 0.05)))
    assert warmed_cosine(0.999) == pytest.approx(0.01)


def test_the_defaults_are_those_that_were_measured() -> None:
    config = HybridConfig()
    assert (config.size, config.steps, config.members, config.bottleneck) == (256, 300, 2000, 24)
    assert (config.imitate_steps, config.batch_size) == (60, 8)


@pytest.mark.parametrize(
    ("steps", "imitate", "rebuild"), [(360, 60, 300), (1000, 700, 300), (36, 6, 30), (2, 1, 1)]
)
def test_the_student_that_sees_the_image_takes_the_steps_that_are_more_than_usual(
    steps: int, imitate: int, rebuild: int
) -> None:
    config = with_length(HybridConfig(), steps=steps, epochs=None)
    assert (config.imitate_steps, config.steps, config.total_steps(50)) == (imitate, rebuild, steps)


def test_without_that_student_all_steps_are_the_other_ones() -> None:
    config = with_length(HybridConfig(imitate_steps=0), steps=40, epochs=None, given={"imitate_steps"})
    assert (config.imitate_steps, config.steps, config.total_steps(50)) == (0, 40, 40)
    single = with_length(HybridConfig(), steps=1, epochs=None)
    assert (single.imitates, single.steps) == (False, 1)
    with pytest.raises(ts.errors.ConfigError, match="give more steps, or a smaller imitate_steps"):
        with_length(HybridConfig(), steps=1, epochs=None, given={"imitate_steps"})
    passes = with_length(HybridConfig(), steps=None, epochs=6)
    assert (passes.imitate_epochs, passes.epochs, passes.total_steps(100)) == (
        3,
        3,
        6 * 12,
    )  # 90 images learn


def test_minutes_are_for_the_student_that_sees_the_image(parts: Path) -> None:
    settings = {**quick("hybrid"), "minutes": 0.05, "imitate_steps": 1}
    del settings["steps"]
    losses = ts.Detector("hybrid", **settings).fit(parts).losses_
    assert len(losses["distil"]) == HybridConfig.steps
    assert losses["imitate"]


def test_a_model_of_before_has_no_such_student_and_patches_of_all_levels() -> None:
    record = to_record(HybridConfig())
    for name in ("imitate_steps", "imitate_epochs", "patch_stride"):
        del record[name]
    config = config_of_record(HybridConfig, record)
    assert (config.imitates, config.patch_stride) == (False, 1)
    teacher = create_teacher("test_resnet", weights="random", layers=[1, 2])
    method = Hybrid(teacher, config)
    assert method.imitator is None
    assert len(method.student.mean) == sum(level.channels for level in teacher.levels)
    assert [stage.name for stage in method.stages()] == ["gather", "distil", "places"]


def test_a_transformer_is_not_imitated() -> None:
    method = Hybrid(create_teacher("test_vit", weights="random"), HybridConfig(size=160))
    assert method.imitator is None
    assert all(stage.timed for stage in method.stages())


def test_the_loss_of_the_imitation_is_stfpms(detector: ts.Detector) -> None:
    method = detector.model_.method
    assert isinstance(method, Hybrid)
    assert method.imitator is not None
    images = random(2, 3, 64, 64)
    with torch.no_grad():
        levels = method.teacher(images)
        found = method.imitation_loss(Batch(images, levels))
        imitated = method.imitator(images)
    expected = sum(half_squares(a, b.numpy()).mean() for a, b in zip(levels, imitated, strict=True))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_memory_of_a_single_image_does_not_set_its_scale_by_itself() -> None:
    images = np.stack([stripes(0, 64), stripes(1, 64)])
    settings = {
        **quick("hybrid", 2),
        "members": 2000,
        "calibration": "cv",
    }  # every fold learns from one image
    detector = ts.Detector("hybrid", **settings).fit(images)
    assert (
        abs(detector.calibration_.threshold) < 1000
    )  # once it was in the millions, and nothing was anomalous


@pytest.mark.parametrize("method", ["hybrid", "patchcore"])
def test_an_even_neighbourhood_is_refused(method: str) -> None:
    with pytest.raises(ts.errors.ConfigError, match="must be odd, got 4; type: --neighbourhood 3"):
        ts.Detector(method, neighbourhood=4).config()
