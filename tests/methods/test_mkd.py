"""MKD against its equations: the score, the ablations, and the three attributions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import twinspect as ts
from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.mkd import MKD, MKDConfig
from twinspect.teachers import create_teacher

IMAGES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def build(**settings: Any) -> MKD:
    torch.manual_seed(0)
    return MKD(
        create_teacher("test_resnet", weights="random"), replace(MKDConfig(), size=64, **settings)
    ).eval()


def by_hand(
    teacher: tuple[torch.Tensor, ...], student: tuple[torch.Tensor, ...], weight: float
) -> np.ndarray[Any, Any]:
    """L_dir + weight L_val, written out in NumPy."""
    total = np.zeros(len(teacher[0]))
    for t, s in zip(teacher, student, strict=True):
        a, b = (x.detach().double().numpy().reshape(len(x), -1) for x in (t, s))
        total += 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        total += weight * ((a - b) ** 2).mean(1)
    return total


@pytest.mark.parametrize("weight", [0.5, 0.01])
def test_the_loss_is_the_equation_over_all_critical_layers(weight: float) -> None:
    method = build(value_weight=weight)
    targets = method.targets(IMAGES)
    expected = by_hand(targets, method.cloner(IMAGES), weight).mean()
    assert method.loss(Batch(IMAGES, targets)).item() == pytest.approx(expected, rel=1e-5)


def test_the_score_is_the_equation_over_the_last_layers_for_each_image() -> None:
    method = build(score_layers=2)
    targets, imitation = method.targets(IMAGES), method.cloner(IMAGES)
    with torch.no_grad():
        np.testing.assert_allclose(
            method(IMAGES).score, by_hand(targets[-2:], imitation[-2:], 0.5), rtol=1e-5
        )


def test_ablations_leave_out_what_they_say() -> None:
    both, direction, value = (build(loss=loss) for loss in ("both", "direction", "value"))
    batch = Batch(IMAGES, both.targets(IMAGES))
    parts = [method.loss(batch).item() for method in (both, direction, value)]
    assert parts[0] == pytest.approx(parts[1] + 0.5 * parts[2], rel=1e-5)
    last = build(critical="last")
    assert len(last.targets(IMAGES)) == len(last.cloner(IMAGES)) == 1
    torch.testing.assert_close(last.targets(IMAGES)[0], both.targets(IMAGES)[-1])
    count = [sum(p.numel() for p in method.cloner.parameters()) for method in (both, build(cloner="equal"))]
    assert count[0] < count[1]


def test_only_the_cloner_learns() -> None:
    method = build()
    method.loss(Batch(IMAGES, method.targets(IMAGES))).backward()
    assert all(parameter.grad is not None for parameter in method.cloner.parameters())
    assert all(parameter.grad is None for parameter in method.teacher.parameters())
    (stage,) = method.stages()
    assert {id(p) for p in stage.parameters()} == {id(p) for p in method.cloner.parameters()}


def test_the_activation_map_is_the_summed_cosine_distance() -> None:
    method = build()
    with torch.no_grad():
        levels = [
            maps.cosine_map(t, s) for t, s in zip(method.targets(IMAGES), method.cloner(IMAGES), strict=True)
        ]
        expected = maps.gaussian_blur(maps.fuse(levels, (64, 64)), 4.0)
        torch.testing.assert_close(method(IMAGES).map, expected)


def test_the_gradient_map_is_the_derivative_of_the_score() -> None:
    method = build(localization="gradient", rescale=False, sigma=0.0, opening=1).double()
    method.teacher.double()
    image = IMAGES[:1].double()
    actual = method(image).map[0]
    step = 1e-5
    for row, column in ((10, 20), (40, 33)):
        expected = 0.0
        for channel in range(3):
            moved = [image.clone(), image.clone()]
            moved[0][0, channel, row, column] += step
            moved[1][0, channel, row, column] -= step
            high, low = (method(shifted).score.item() for shifted in moved)
            expected += abs(high - low) / (2 * step)
        assert actual[row, column].item() == pytest.approx(expected, rel=1e-3)


def test_smoothgrad_without_noise_is_the_gradient() -> None:
    plain = build(localization="gradient", rescale=False)(IMAGES).map
    smooth = build(localization="smoothgrad", rescale=False, smoothgrad_samples=3, smoothgrad_noise=0.0)(
        IMAGES
    ).map
    torch.testing.assert_close(smooth, plain)


def test_smoothgrad_averages_the_gradient_over_noisy_copies() -> None:
    method = build(localization="smoothgrad", rescale=False, smoothgrad_samples=4, sigma=0.0, opening=1)
    image = IMAGES[:1]
    generator = torch.Generator().manual_seed(0)
    spread = image.max() - image.min()
    total = torch.zeros_like(image)
    for _ in range(4):
        noisy = (image + 0.05 * spread * torch.randn(image.shape[1:], generator=generator)).requires_grad_()
        score = method.disagreement(method.targets(noisy)[-3:], method.cloner(noisy)[-3:])
        total += torch.autograd.grad(score.sum(), noisy)[0]
    torch.testing.assert_close(method(image).map, (total / 4).abs().sum(1))


def test_the_authors_smoothgrad_averages_the_clipped_maps_of_copies_with_little_noise() -> None:
    """As their code has it: |g|, summed over colours, clipped at the 99th percentile and stretched, for each copy."""
    method = build(
        localization="smoothgrad", smoothgrad="paper", smoothgrad_samples=4, sigma=0.0, opening=1
    ).double()
    method.teacher.double()
    image = IMAGES[:1].double()
    generator = torch.Generator().manual_seed(0)
    deviation = (0.05 / float(image.max() - image.min())) ** 2
    total = np.zeros(image.shape[-2:])
    for _ in range(4):
        noise = torch.randn(image.shape[1:], generator=generator).double()
        noisy = (image + deviation * noise).requires_grad_()
        score = method.disagreement(method.targets(noisy)[-3:], method.cloner(noisy)[-3:])
        grey = torch.autograd.grad(score.sum(), noisy)[0][0].abs().sum(0).numpy()
        low, high = grey.min(), np.percentile(grey, 99)
        total += np.clip((grey - low) / (high - low), 0, 1) / 4
    expected = (total - total.min()) / (total.max() - total.min())
    np.testing.assert_allclose(method(image).map[0].numpy(), expected, atol=1e-9)


def test_guided_backpropagation_lets_only_positive_gradients_through_the_cloners_relus() -> None:
    class GuidedReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(values)
            return values.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            (values,) = ctx.saved_tensors
            return gradient.clamp(min=0) * (values > 0)

    class Guided(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return GuidedReLU.apply(values)  # type: ignore[no-any-return]

    method = build(localization="guided", rescale=False)
    actual = method(IMAGES).map
    twin = build(localization="gradient", rescale=False)
    for block in twin.cloner.blocks:
        for index, module in enumerate(block):
            if isinstance(module, nn.ReLU):
                block[index] = Guided()
    torch.testing.assert_close(actual, twin(IMAGES).map)
    plain = build(localization="gradient", rescale=False)(IMAGES).map
    assert not torch.allclose(actual, plain)
    torch.testing.assert_close(
        method(IMAGES).map, actual
    )  # the hooks are gone again: the second call is the same


@pytest.mark.parametrize("localization", ["gradient", "smoothgrad", "guided"])
def test_gradient_maps_work_under_inference_mode_and_image_by_image(localization: str) -> None:
    method = build(localization=localization, smoothgrad_samples=3)
    with torch.inference_mode():
        together, alone = method(IMAGES), method(IMAGES[1:2])
    torch.testing.assert_close(together.map[1], alone.map[0], rtol=1e-3, atol=1e-4)
    assert 0 <= together.map.min() <= together.map.max() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opening": 4}, "odd"),
        ({"cloner": "huge"}, "'small', 'equal'"),
        ({"value_weight": -1.0}, "must be 0 or more"),
        ({"score_layers": 0}, "1 or more"),
        ({"steps": 1.5}, "int"),
        ({"batch_size": True}, "int"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"crop": 300, "size": 256}, "at most size"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(MKDConfig(), **settings)


def test_a_size_that_is_no_multiple_of_the_stride_names_one_that_is() -> None:
    with pytest.raises(ConfigError, match="--size 96"):
        build().check_size(100, 100)


def test_presets_are_the_papers() -> None:
    assert MKDConfig.PRESETS["mnist"] == {"size": 32, "normalize": False, "epochs": 50, "value_weight": 0.01}
    assert MKDConfig.PRESETS["cifar10"]["crop"] == 224
    assert {name: preset["epochs"] for name, preset in MKDConfig.PRESETS.items()} == {
        "paper": 600,
        "mvtec": 600,
        "medical": 600,
        "mnist": 50,
        "cifar10": 200,
    }


@pytest.mark.parametrize(
    ("teacher", "side"),
    [
        ("vgg11", 64),
        ("mobilenetv2_100", 64),
        ("efficientnet_b0", 64),
        ("convnext_atto", 64),
        ("vit_tiny_patch16_224", 64),
        ("vit_small_patch14_dinov2", 56),
    ],
)
def test_it_works_on_every_family_of_teachers(teacher: str, side: int) -> None:
    settings = {"weights": "random", "size": side, "steps": 2, "batch_size": 4, "device": "cpu"}
    images = np.random.default_rng(0).integers(0, 256, (6, 40, 50, 3), dtype=np.uint8)
    scores = ts.Detector("mkd", teacher=teacher, **settings).fit(images).score(images)
    assert np.isfinite(scores.image).all()
    assert np.shape(scores.map) == (6, 40, 50)
    assert np.isfinite(scores.map).all()  # type: ignore[arg-type]
