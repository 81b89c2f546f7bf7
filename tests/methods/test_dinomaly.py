"""Dinomaly on random weights: loss, map, optimiser and initial weights against the published ones, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.dinomaly import Dinomaly, DinomalyConfig, resizing_matrix
from twinspect.methods.networks.token_decoder import TokenStudent, middle_blocks
from twinspect.methods.stable_adamw import StableAdamW
from twinspect.teachers import create_teacher

VIT = "test_vit"
"""Three heads of 64 channels, six blocks, patches of 16 pixels, a class token."""


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def method_of(name: str = VIT, **settings: object) -> Dinomaly:
    torch.manual_seed(0)
    teacher = create_teacher(name, weights="random", layers=Dinomaly.usual_layers(name))
    return Dinomaly(teacher, make_config(DinomalyConfig, None, {"size": 64, **settings})).eval()


@pytest.fixture(scope="module")
def method() -> Dinomaly:
    return method_of()


def cosine_distances(a: Tensor, b: Tensor) -> np.ndarray:
    x, y = (each.detach().double().numpy() for each in (a, b))
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    distances: np.ndarray = 1 - (x * y).sum(axis=1) / norms
    return distances


def test_the_middle_blocks_are_those_of_the_authors() -> None:
    """Of ViT-B with 12 blocks and ViT-L with 24."""
    assert middle_blocks(12, 8) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert middle_blocks(24, 8) == [4, 6, 8, 10, 12, 14, 16, 18]
    assert Dinomaly.usual_layers(VIT) == (1, 2, 3, 4)
    assert Dinomaly.usual_layers("test_resnet") is None


def test_the_decoder_has_the_parameters_of_the_authors_code() -> None:
    """A perceptron and eight blocks of 768 channels, added up."""
    perceptron = 768 * 3072 + 3072 + 3072 * 768 + 768
    attention = 768 * 3 * 768 + 3 * 768 + 768 * 768 + 768
    with torch.device("meta"):
        student = TokenStudent(768, 2, 8, dropout=0.2, linear=True)
    expected = perceptron + 8 * (attention + perceptron + 2 * 2 * 768)
    assert sum(parameter.numel() for parameter in student.parameters()) == expected == 61_425_408


def test_initial_weights_are_small(method: Dinomaly) -> None:
    linears = [module for module in method.student.modules() if isinstance(module, nn.Linear)]
    weights = torch.cat([linear.weight.detach().flatten() for linear in linears])
    assert float(weights.abs().max()) <= 0.03
    assert float(weights.std()) == pytest.approx(0.00987, rel=0.01)  # of a normal cut at three deviations
    assert not any(bool(linear.bias.any()) for linear in linears)
    norms = [module for module in method.student.modules() if isinstance(module, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-8}


def test_the_bottleneck_drops_before_between_and_after_its_layers() -> None:
    kinds = [type(layer).__name__ for layer in method_of(dropout=0.2).student.bottleneck]
    assert kinds == ["Dropout", "Linear", "GELU", "Dropout", "Linear", "Dropout"]


def test_class_token_and_registers_pass_the_student_and_are_not_compared(method: Dinomaly) -> None:
    images = picture(2, 3, 64, 64)
    with torch.no_grad():
        *levels, prefix = method.targets(images)
        maps, tokens = method.teacher.backbone.with_prefix_tokens(images)
        pairs = method.feature_pairs((*levels, prefix))
        others = method.feature_pairs((*levels, prefix + 3))
    assert prefix.shape == (2, maps[0].shape[1], 1, 1)
    torch.testing.assert_close(prefix[..., 0, 0], torch.stack(tokens).mean(dim=0)[:, 0])
    half = len(maps) // 2
    for level, group in zip(levels, (maps[:half], maps[half:]), strict=True):
        torch.testing.assert_close(level, torch.stack(group).mean(dim=0))
    assert all(output.shape == target.shape for target, output in pairs)
    assert not any(torch.equal(a[1], b[1]) for a, b in zip(pairs, others, strict=True))


@pytest.mark.parametrize("done", [0.0, 0.05, 1.0])
def test_the_loss_is_the_mean_distance_of_whole_maps_with_a_weaker_gradient(
    method: Dinomaly, done: float
) -> None:
    images = picture(2, 3, 64, 64)
    targets = method.targets(images)
    pairs = method.feature_pairs(targets)
    loss = method.loss(Batch(images, targets, done=done))
    expected = [cosine_distances(t.flatten(1), s.flatten(1)).mean() for t, s in pairs]
    assert float(loss.detach()) == pytest.approx(np.mean(expected), abs=1e-6)
    ramp = min(0.9 * done * 10, 0.9)  # over 1000 of 10 000 steps
    gradients = torch.autograd.grad(loss, list(method.student.parameters()))
    manual = []
    for target, output in pairs:
        cosines = nn.functional.cosine_similarity(target.flatten(1), output.flatten(1))
        (gradient,) = torch.autograd.grad((1 - cosines).mean() / 2, output, retain_graph=True)
        distances = torch.from_numpy(cosine_distances(target, output))
        limit = distances.flatten().topk(int(distances.numel() * (1 - ramp))).values[-1]
        manual.append(torch.where((distances < limit)[:, None], 0.1 * gradient, gradient))
    by_hand = torch.autograd.grad([s for _, s in pairs], list(method.student.parameters()), manual)
    for actual, own in zip(gradients, by_hand, strict=True):
        torch.testing.assert_close(actual, own, atol=1e-7, rtol=1e-3)


@pytest.mark.parametrize(("side", "middle"), [(28, 392), (4, 64), (20, 320)])
def test_a_level_is_enlarged_resized_and_blurred_as_in_the_authors_code(side: int, middle: int) -> None:
    level = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    large = nn.functional.interpolate(level, size=(middle, middle), mode="bilinear", align_corners=True)
    small = nn.functional.interpolate(large, size=256, mode="bilinear", align_corners=False)
    axis = np.arange(5) - 2
    kernel = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 4.0**2))
    weights = torch.from_numpy(kernel / kernel.sum()).float()[None, None]
    expected = nn.functional.conv2d(small, weights, padding=2)
    matrix = resizing_matrix(side, middle, 256, 4.0)
    np.testing.assert_allclose(matrix @ level[:, 0] @ matrix.T, expected[:, 0], atol=1e-5)


def test_the_score_is_the_mean_of_the_highest_percent_of_the_small_map(method: Dinomaly) -> None:
    images = picture(2, 3, 64, 64)
    with torch.no_grad():
        output = method(images)
        levels = [cosine_distances(t, s) for t, s in method.feature_pairs(method.targets(images))]
    matrix = resizing_matrix(4, 64, 256, 4.0).double().numpy()
    small = np.mean([matrix @ level @ matrix.T for level in levels], axis=0)
    highest = np.sort(small.reshape(2, -1), axis=1)[:, -655:]
    np.testing.assert_allclose(method.image_score(output), highest.mean(axis=1), rtol=1e-4)
    assert output.map.shape == (2, 64, 64)


def test_the_step_size_is_that_of_the_authors_schedule() -> None:
    """Theirs rises over 100 steps to 2e-3, and falls to 2e-4 at 10 000."""
    config = make_config(DinomalyConfig, "paper", {})
    rate = Dinomaly(create_teacher("pocket"), config).stages()[0].rate
    for step in (0, 50, 100, 2000, 9999):
        rising = step / 100
        falling = 2e-4 + 0.5 * (2e-3 - 2e-4) * (1 + math.cos(math.pi * (step - 100) / 9900))
        expected = 2e-3 * rising if step < 100 else falling
        assert config.learning_rate * rate(step / config.steps) == pytest.approx(expected, rel=1e-6)


def by_definition(
    start: np.ndarray, gradients: list[np.ndarray], rate: float, decay: float
) -> list[np.ndarray]:
    """AdamW with AMSGrad whose step, but not whose decay, is shortened by RMS(g / sqrt(u))."""
    weights, momentum, squares, highest = start.copy(), 0.0, 0.0, 0.0
    visited = []
    for step, gradient in enumerate(gradients, 1):
        weights *= 1 - rate * decay
        momentum = 0.9 * momentum + 0.1 * gradient
        squares = 0.999 * squares + 0.001 * gradient**2
        highest = np.maximum(highest, squares)
        root = np.sqrt(highest) / math.sqrt(1 - 0.999**step) + 1e-10
        excess = max(1.0, float(np.sqrt(np.mean((gradient / root) ** 2))))
        weights -= rate / (1 - 0.9**step) / excess * momentum / root
        visited.append(weights.copy())
    return visited


def test_the_optimiser_takes_the_steps_of_the_authors_code() -> None:
    random = np.random.default_rng(0)
    start = random.normal(size=(5, 4))
    gradients = [random.normal(size=(5, 4)) * size for size in (1, 1, 0.1, 30, 0.01, 5)]
    parameter = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = method_of(learning_rate=0.1, weight_decay=0.1).stages()[0].optimizer([parameter])
    assert isinstance(optimizer, StableAdamW)
    for gradient, expected in zip(gradients, by_definition(start, gradients, 0.1, 0.1), strict=True):
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6)


def test_a_convolutional_teacher_is_rebuilt_by_the_decoder_of_reverse_distillation() -> None:
    method = method_of("pocket")
    images = picture(2, 3, 64, 64)
    assert not method.has_tokens
    assert [level.shape for level in method.targets(images)] == [
        output.shape for _, output in method.feature_pairs(method.targets(images))
    ]
    with pytest.raises(ConfigError, match="dinomaly with pocket needs a size that is a multiple of 32"):
        method.check_size(80, 80)
