"""EfficientAD: networks against the paper's tables, loss and maps against NumPy, jitter against Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn

import twinspect as ts
from tensors import count, picture
from twinspect.errors import ConfigError, TeacherError
from twinspect.methods import efficientad
from twinspect.methods.base import Batch
from twinspect.methods.efficientad import EfficientAD, EfficientADConfig, dropped_at_the_end, jittered
from twinspect.methods.losses import hard_feature_loss
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64


@pytest.fixture(scope="module")
def method() -> EfficientAD:
    torch.manual_seed(0)
    return EfficientAD(create_teacher("pocket"), EfficientADConfig(size=SIDE, width=0.1)).eval()


@pytest.fixture
def batch(method: EfficientAD) -> Batch:
    images = picture(2, 3, SIDE, SIDE)
    return Batch(images, method.targets(images))


def mean_square(one: Tensor, two: Tensor) -> np.ndarray:
    return np.square(one.detach().numpy().astype(np.float64) - two.detach().numpy())


# --- networks -------------------------------------------------------------------------------------


def convolution(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


@pytest.mark.parametrize(
    ("teacher", "student", "millions"),
    [  # the layers of the paper's tables, with twice the last channels; millions of all three networks
        (
            "pdn_small",
            convolution(3, 128, 4)
            + convolution(128, 256, 4)
            + convolution(256, 256, 3)
            + convolution(256, 768, 4),
            8,
        ),
        (
            "pdn_medium",
            convolution(3, 256, 4)
            + convolution(256, 512, 4)
            + convolution(512, 512, 1)
            + convolution(512, 512, 3)
            + convolution(512, 768, 4)
            + convolution(768, 768, 1),
            21,
        ),
    ],
)
def test_networks_have_the_parameters_of_the_paper(teacher: str, student: int, millions: int) -> None:
    method = EfficientAD(create_teacher(teacher, weights="none"), EfficientADConfig(size=256, width=1.0))
    assert count(method.student) == student
    assert round(count(method) / 1e6) == millions


def test_the_autoencoder_of_256_pixels_grows_by_the_sides_of_the_paper() -> None:
    method = EfficientAD(create_teacher("pdn_small", weights="none"), EfficientADConfig(size=256))
    seen: list[tuple[int, ...]] = []
    for layer in method.autoencoder.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _layer, inputs, _out: seen.append(tuple(inputs[0].shape[1:])))
    with torch.no_grad():
        described = method.autoencoder(picture(1, 3, 256, 256), (64, 64))
    assert [shape[1] for shape in seen] == [256, 128, 64, 32, 16, 8, 3, 8, 15, 32, 63, 127, 64, 64]
    assert seen[6][0] == 64
    assert described.shape == (1, 384, 64, 64)


@pytest.mark.parametrize("side", [32, 40, 63, 128])
@pytest.mark.parametrize("teacher", ["pocket", "pdn_small"])
def test_any_size_from_32_pixels_gives_maps_of_that_size(side: int, teacher: str) -> None:
    weights = None if teacher == "pocket" else "random"
    method = EfficientAD(
        create_teacher(teacher, weights=weights), EfficientADConfig(size=side, width=0.05)
    ).eval()
    with torch.no_grad():
        assert method(picture(2, 3, side, side)).map.shape == (2, side, side)


def test_smaller_sizes_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"efficientad needs a size of 32 or more, got 31x31; type: --size 32"
    ):
        EfficientAD(create_teacher("pocket"), EfficientADConfig(size=31))


# --- learning -------------------------------------------------------------------------------------


def test_hard_features_are_those_above_the_quantile() -> None:
    teacher, student = picture(3, 7, 12, 12), picture(3, 7, 12, 12, seed=1)
    squares = mean_square(teacher, student).reshape(3, -1)
    for quantile in (0.0, 0.9, 0.999):
        limits = np.quantile(squares, quantile, axis=1)
        expected = [row[row >= limit].mean() for row, limit in zip(squares, limits, strict=True)]
        np.testing.assert_allclose(hard_feature_loss(teacher, student, quantile), expected, rtol=1e-5)


def test_channels_are_measured_over_all_images(method: EfficientAD) -> None:
    batches = [Batch(images, method.targets(images)) for images in picture(5, 3, SIDE, SIDE).split(2)]
    method.gather(batches)
    features = torch.cat([method._joined(batch.targets, batch.images) for batch in batches]).double().numpy()
    np.testing.assert_allclose(method.means.flatten(), features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    deviations = features.std((0, 2, 3))
    expected = np.maximum(deviations, 0.1 * deviations.mean())
    np.testing.assert_allclose(method.deviations.flatten(), expected, rtol=1e-4)


def test_levels_are_joined_at_the_students_locations(method: EfficientAD, batch: Batch) -> None:
    joined = method.normalised(batch.targets, batch.images)
    assert joined.shape == (2, 64 + 128 + 256, 16, 16)
    fine = (batch.targets[0] - method.means[:64]) / method.deviations[:64]
    torch.testing.assert_close(joined[:, :64], fine)


def test_the_loss_is_the_sum_of_the_papers_terms(
    method: EfficientAD, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, changed = picture(2, 3, SIDE, SIDE, seed=2), picture(2, 3, SIDE, SIDE, seed=3)
    monkeypatch.setattr(method, "_elsewhere", lambda _: elsewhere)
    monkeypatch.setattr(method, "_jittered", lambda _: changed)
    with torch.no_grad():
        loss = method.loss(batch)
        student = {
            name: method.student(x)[0] for name, x in (("i", batch.images), ("p", elsewhere), ("a", changed))
        }
        rebuilt = method.autoencoder(changed, (16, 16))
        teacher = method.normalised(method.targets(changed), changed)
        normal = method.normalised(batch.targets, batch.images)
    squares = mean_square(normal, student["i"][:, :448]).reshape(2, -1)
    hard = np.mean([row[row >= np.quantile(row, 0.999)].mean() for row in squares])
    expected = (
        hard
        + np.square(student["p"][:, :448].numpy()).mean()
        + mean_square(teacher, rebuilt).mean()
        + mean_square(rebuilt, student["a"][:, 448:]).mean()
    )
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("factor", [0.8, 1.15])
def test_jitter_is_that_of_pillow(kind: int, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(30, 200, (20, 24, 3), dtype=np.uint8)
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor([kind]))
    monkeypatch.setattr(torch, "rand", lambda *_: torch.full((1, 1, 1, 1), (factor - 0.8) / 0.4))
    found = jittered(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255, 0.2)[0].permute(1, 2, 0)
    enhance = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[kind]
    expected = np.asarray(enhance(Image.fromarray(pixels)).enhance(factor))
    assert np.abs(255 * found.numpy() - expected).max() <= 1.5  # Pillow rounds, its grey too


def test_colours_are_those_of_the_image(method: EfficientAD) -> None:
    """What is normalised for the networks is brought back before its colours change."""
    mean, std = (torch.tensor(each)[:, None, None] for each in (method.teacher.mean, method.teacher.std))
    images = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - mean) / std
    still = EfficientAD(method.teacher, EfficientADConfig(size=SIDE, width=0.1, jitter=0.0))
    torch.testing.assert_close(still._jittered(images), images, atol=1e-5, rtol=1e-4)
    drawn = method._elsewhere(images) * std + mean
    assert 0 <= drawn.min() < drawn.max() <= 1 + 1e-6


def test_photographs_come_from_the_folder_that_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "red.png")
    config = EfficientADConfig(size=SIDE, width=0.1, photographs=str(tmp_path), normalize=False)
    method = EfficientAD(create_teacher("pocket"), config)
    expected = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(2, 3, 32, 32)
    torch.testing.assert_close(method._elsewhere(picture(2, 3, 32, 32)), expected)


def test_the_step_size_drops_when_95_percent_are_done() -> None:
    assert [dropped_at_the_end(done) for done in (0.0, 0.949, 0.95, 0.999)] == [1.0, 1.0, 0.1, 0.1]


# --- maps -----------------------------------------------------------------------------------------


def test_quantiles_of_good_images_become_0_and_a_tenth(method: EfficientAD) -> None:
    batches = [Batch(images, method.targets(images)) for images in picture(6, 3, SIDE, SIDE).split(3)]
    with torch.no_grad():
        method.measure(batches)
        parts = [method._differences(each.images, each.targets) for each in batches]
        found = method(batches[0].images).map
    expected = np.zeros((3, 16, 16))
    for index in range(2):
        values = torch.cat([part[index] for part in parts]).numpy()
        low, high = np.quantile(values, [0.9, 0.995])
        np.testing.assert_allclose(method.quantiles[index], [low, high], rtol=1e-5)
        expected += 0.5 * 0.1 * (values[:3] - low) / (high - low)
    enlarged = nn.functional.interpolate(torch.from_numpy(expected)[None], (SIDE, SIDE), mode="bilinear")[0]
    np.testing.assert_allclose(found, enlarged, rtol=1e-3, atol=1e-4)


def test_equal_maps_do_not_divide_by_zero(method: EfficientAD, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = torch.ones(2, 16, 16)
    monkeypatch.setattr(method, "_differences", lambda *_: (flat, flat))
    method.measure([Batch(picture(2, 3, SIDE, SIDE), ())])
    assert method(picture(2, 3, SIDE, SIDE)).map.isfinite().all()


def test_more_values_are_measured_than_torch_has_quantiles_of(
    method: EfficientAD, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.arange(2**24 + 8, dtype=torch.float32)
    monkeypatch.setattr(method, "_differences", lambda *_: (values, values))
    method.measure([Batch(picture(1, 3, SIDE, SIDE), ())])
    assert method.quantiles[0, 0] == pytest.approx(0.9 * 2**24, rel=1e-4)


# --- the teacher of the paper ---------------------------------------------------------------------


def test_without_its_weights_one_line_says_what_to_type() -> None:
    with pytest.raises(TeacherError) as caught:
        ts.Detector("efficientad", preset="paper", device="cpu").fitting("")
    text = str(caught.value)
    assert "\n" not in text
    for part in ("--teacher NAME", "--weights FILE", "'random'", "train_pdn.py"):
        assert part in text


@pytest.mark.parametrize(("teacher", "size"), [("pdn_small", 256), ("pdn_medium", 512)])
def test_the_student_is_as_large_as_its_teacher(teacher: str, size: int) -> None:
    bare = create_teacher(teacher, weights="none")
    widths = [
        m.in_channels
        for m in EfficientAD(bare, EfficientADConfig(size=64, width=1.0)).student.layers
        if hasattr(m, "in_channels")
    ]
    assert widths[2] == size
    named = EfficientAD(bare, EfficientADConfig(size=64, width=1.0, student="small")).student.layers
    assert named[3].out_channels == 256


def test_nothing_of_a_fold_is_kept_by_photographs_of_another(tmp_path: Path) -> None:
    assert efficientad._photographs("") is efficientad._photographs("")
    with pytest.raises(ts.errors.DataError, match="no such folder"):
        efficientad._photographs(str(tmp_path / "missing"))
