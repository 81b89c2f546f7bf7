"""STFPM: its loss and maps against NumPy and the published equations, what learns, and which state is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import twinspect as ts
from drawn_parts import SHIPPED, quick, stripes
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.stfpm import STFPM, STFPMConfig, a_fifth
from twinspect.teachers import create_teacher


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sample(seed: int) -> Sample:
    return Sample(Path(f"{seed}.png"), f"{seed}", pixels=stripes(seed))


def method_of(name: str = "pocket", **settings: object) -> STFPM:
    torch.manual_seed(0)
    teacher = create_teacher(name, weights=None if name == "pocket" else "random")
    return STFPM(teacher, make_config(STFPMConfig, None, {"size": 64, **settings})).eval()


@pytest.fixture(scope="module")
def method() -> STFPM:
    return method_of()


def unit_distances(teacher: Tensor, student: Tensor) -> np.ndarray:
    """Equation 1 of the paper: (B, h, w)."""
    a, b = (features.detach().double().numpy() for features in (teacher, student))
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    distances: np.ndarray = ((a - b) ** 2).sum(axis=1) / 2
    return distances


def test_the_loss_equals_the_equation(method: STFPM) -> None:
    images = picture(3, 3, 64, 64)
    with torch.no_grad():
        targets = method.targets(images)
        actual = float(method.loss(Batch(images, targets)))
        validated = method.validate(Batch(images, targets))
        levels = [unit_distances(t, s) for t, s in zip(targets, method.student(images), strict=True)]
    expected = sum(level.mean(axis=(1, 2)) for level in levels).mean()
    assert actual == pytest.approx(expected, abs=1e-5)
    assert validated == {"loss": actual}


@pytest.mark.parametrize("fusion", ["product", "sum"])
def test_the_map_joins_the_levels_at_the_size_of_the_images(fusion: str) -> None:
    method, images = method_of(fusion=fusion), picture(2, 3, 64, 96)
    with torch.no_grad():
        pairs = zip(method.targets(images), method.student(images), strict=True)
        levels = [torch.from_numpy(unit_distances(t, s))[:, None] for t, s in pairs]
        actual = method(images)

    def resized(level: Tensor, size: tuple[int, int]) -> Tensor:
        return nn.functional.interpolate(level, size=size, mode="bilinear", align_corners=False)

    enlarged = torch.stack([resized(level, (64, 96)) for level in levels])
    expected = enlarged.prod(dim=0) if fusion == "product" else enlarged.sum(dim=0)
    np.testing.assert_allclose(actual.map, expected[:, 0], rtol=1e-4)
    np.testing.assert_array_equal(method.image_score(actual), actual.map.flatten(1).amax(dim=1))


def test_what_is_imitated_exactly_leaves_nothing_and_finite_gradients(method: STFPM) -> None:
    """However close, no distance is negative: a product would change its sign."""
    images = picture(2, 3, 64, 64)
    exact = tuple(level.detach() for level in method.student(images))
    assert all(bool((level == 0).all()) for level in method._compare(images, exact))
    method.loss(Batch(images, (torch.zeros_like(exact[0]), *exact[1:]))).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in method.student.parameters())


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "test_convnext", "pocket"])
def test_the_student_has_the_architecture_of_the_teacher_and_weights_of_its_own(name: str) -> None:
    method = method_of(name)
    images = picture(1, 3, 64, 64)
    with torch.no_grad():
        levels, imitated = method.targets(images), method.student(images)
    assert [level.shape for level in imitated] == [level.shape for level in levels]
    trained = [parameter for parameter in method.student.parameters() if parameter.ndim > 1]
    frozen = [parameter for parameter in method.teacher.parameters() if parameter.ndim > 1]
    assert [each.shape for each in trained] == [each.shape for each in frozen]
    assert not any(torch.equal(a, b) for a, b in zip(trained, frozen, strict=True) if a.numel() > 1)
    assert all(parameter.requires_grad for parameter in method.student.parameters())


@pytest.mark.parametrize("name", ["resnet18", "test_resnet", "test_efficientnet", "pocket"])
def test_a_narrow_student_has_the_teachers_shapes_and_fewer_weights(name: str) -> None:
    method, images = method_of(name, student="narrow"), picture(1, 3, 64, 96)
    with torch.no_grad():
        levels, imitated = method.targets(images), method.student(images)
    assert [level.shape for level in imitated] == [level.shape for level in levels]
    for level, output in zip(method.teacher.levels, imitated, strict=True):
        assert bool((output < 0).any()) == level.signed
    if name == "resnet18":
        student, teacher = (
            sum(p.numel() for p in network.parameters()) for network in (method.student, method.teacher)
        )
        assert student < teacher / 2


def test_a_narrow_student_needs_sizes_that_divide() -> None:
    with pytest.raises(
        ConfigError, match="stfpm with pocket needs a size that is a multiple of 16, got 72x72"
    ):
        method_of(student="narrow").check_size(72, 72)
    method_of().check_size(72, 72)


@pytest.mark.parametrize(("name", "norms"), [("resnet18", 15), ("pocket", 16), ("vgg11", 8)])
def test_a_network_without_batchnorm_gets_one_after_every_convolution(name: str, norms: int) -> None:
    """ResNet-18 has its own: of the stem, twelve in six blocks, and two beside them, where pocket has three."""
    student = method_of(name, shortcuts=False).student
    found = [module for module in student.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(found) == norms
    assert all(bool((norm.weight == 1).all()) for norm in found)
    assert {module.training for module in found} == {False}


def test_residual_blocks_start_as_their_shortcuts() -> None:
    method, images = method_of("resnet18"), picture(2, 3, 64, 64)
    norms = [module for module in method.student.modules() if isinstance(module, nn.BatchNorm2d)]
    assert sum(bool((norm.weight == 0).all()) for norm in norms) == 6
    with torch.no_grad():
        targets = method.targets(images)
    method.train().loss(Batch(images, targets)).backward()
    assert all(
        norm.weight.grad is not None and bool(norm.weight.grad.any())
        for norm in norms
        if not norm.weight.any()
    )
    assert not make_config(STFPMConfig, "paper", {}).shortcuts


def test_statistics_of_a_new_student_are_learnt_from_the_images(parts: Path) -> None:
    fitted = ts.Detector("stfpm", **{**quick("stfpm", 4), **SHIPPED}).fit(parts)
    means = [m.running_mean for m in fitted.model_.method.modules() if isinstance(m, nn.BatchNorm2d)]
    assert means
    assert all(mean is not None and bool(mean.abs().any()) for mean in means)


def test_the_paper_is_spelt_out() -> None:
    config = make_config(STFPMConfig, "paper", {})
    optimizer = STFPM(create_teacher("pocket"), config).stages()[0].optimizer([nn.Parameter(torch.zeros(1))])
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.4, 0.9, 1e-4)
    assert (config.size, config.batch_size, config.epochs, config.fusion, config.sigma) == (
        256,
        32,
        100,
        "product",
        0,
    )
    rate = STFPM(create_teacher("pocket"), config).stages()[0].rate
    assert [rate(done) for done in (0.0, 0.3, 0.99)] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("images", "held_out"), [(4, 0), (5, 1), (6, 2), (100, 20), (209, 42)])
def test_a_fifth_chooses_the_state(images: int, held_out: int) -> None:
    assert a_fifth(images) == held_out
    assert STFPMConfig().held_out([images]) == {"distil": held_out}


def test_the_state_with_the_lowest_error_on_held_out_good_images_is_kept() -> None:
    detector = ts.Detector("stfpm", **quick("stfpm", 20), calibration="cv")
    _, history = detector.fitting("").fit_all([sample(seed) for seed in range(20)])
    assert history.held_out == {"distil": 4}
    assert len(history.curves["distil: loss"]) == 10
