"""RD: its networks against the teacher's anatomy and the authors' published size, its loss against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.networks.backbone_stages import BackboneStage, backbone_stages
from twinspect.methods.networks.reverse_decoder import Bottleneck, Decoder, ResidualBlock
from twinspect.methods.rd import RD, RDConfig
from twinspect.teachers import create_teacher


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def method() -> RD:
    torch.manual_seed(0)
    return RD(create_teacher("pocket"), RDConfig(size=64)).eval()


@pytest.mark.parametrize(
    ("name", "blocks", "inner"),
    [
        ("resnet18", [2, 2, 2], [0, 0, 0]),  # the counts and widths of He et al. 2016, table 1
        ("resnet34", [3, 4, 6], [0, 0, 0]),
        ("resnet50", [3, 4, 6], [64, 128, 256]),
        ("resnet50_caffe", [3, 4, 6], [64, 128, 256]),
        ("wide_resnet50_2", [3, 4, 6], [128, 256, 512]),
    ],
)
def test_a_residual_network_is_taken_apart_into_the_blocks_it_is_built_of(
    name: str, blocks: list[int], inner: list[int]
) -> None:
    parts = backbone_stages(create_teacher(name, weights="random"))
    assert [part.blocks for part in parts] == blocks
    assert [part.inner for part in parts] == inner


@pytest.mark.parametrize("name", ["pocket", "mobilenetv2_100", "convnext_tiny", "vgg11", "efficientnet_b0"])
def test_any_teacher_of_maps_that_halve_is_mirrored(name: str) -> None:
    teacher = create_teacher(name, weights="random")
    method = RD(teacher, RDConfig(size=128)).eval()
    levels = teacher(picture(2, 3, 64, 128))
    with torch.no_grad():
        rebuilt = method.student(levels)
    assert [level.shape for level in rebuilt] == [level.shape for level in levels]
    for level, twin in zip(teacher.levels, rebuilt, strict=True):
        assert bool((twin < 0).any()) == level.signed


def test_the_size_is_the_published_one() -> None:
    """161.08 million parameters with WRN-50 (AAND, table VIII), its unused last stage counted in."""
    method = RD(create_teacher("wide_resnet50_2", weights="random"), RDConfig())
    layer4 = 66_834_240 - 24_862_528  # of torchvision's network without its classifier
    assert (count(method) + layer4) / 1e6 == pytest.approx(161.08, rel=0.01)


def test_the_embedding_is_half_as_fine_and_twice_as_wide_as_the_coarsest_level() -> None:
    parts = (
        BackboneStage(8, 4, False, 1, 0),
        BackboneStage(12, 8, False, 2, 0),
        BackboneStage(16, 16, False, 1, 4),
    )
    bottleneck = Bottleneck(parts).eval()
    levels = [picture(2, part.channels, 128 // part.reduction, 64 // part.reduction) for part in parts]
    embedding = bottleneck(levels)
    assert embedding.shape == (2, 32, 4, 2)
    rebuilt = Decoder(parts, bottleneck.width).eval()(embedding)
    assert [level.shape for level in rebuilt] == [level.shape for level in levels]


@pytest.mark.parametrize(("scale", "side"), [(0.5, 4), (1, 8), (2, 16), (4, 32)])
@pytest.mark.parametrize("inner", [0, 3])
def test_a_block_scales_and_widens(scale: float, side: int, inner: int) -> None:
    block = ResidualBlock(6, 10, inner, scale=scale).eval()
    assert block(picture(1, 6, 8, 8)).shape == (1, 10, side, side)


def test_a_block_of_equal_shape_adds_what_came_in() -> None:
    block = ResidualBlock(4, 4).eval()
    nn.init.zeros_(block.body[3].weight)  # the second convolution
    x = picture(1, 4, 5, 5)
    assert torch.equal(block(x), x.relu())


def test_the_loss_equals_the_equation(method: RD) -> None:
    images = picture(3, 3, 64, 64)
    with torch.no_grad():
        targets = method.targets(images)
        rebuilt = method.student(targets)
        actual = float(method.loss(Batch(images, targets)))
    expected = 0.0
    for target, twin in zip(targets, rebuilt, strict=True):
        a, b = (m.double().numpy().reshape(3, -1) for m in (target, twin))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        expected += (1 - (a * b).sum(1) / norms).mean()
    assert actual == pytest.approx(expected, abs=1e-6)


def test_the_map_sums_the_levels_and_the_score_is_its_peak(method: RD) -> None:
    images = picture(2, 3, 64, 64)
    with torch.no_grad():
        levels = method.targets(images)
        rebuilt = method.student(levels)
        actual = method(images)
    total = np.zeros((2, 64, 64))
    for level, twin in zip(levels, rebuilt, strict=True):
        a, b = level.numpy().astype(float), twin.numpy().astype(float)
        cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        small = torch.from_numpy(1 - cosine)[:, None]
        large = nn.functional.interpolate(small, size=(64, 64), mode="bilinear", align_corners=False)
        total += large[:, 0].numpy()
    blurred = np.stack([ndimage.gaussian_filter(summed, 4.0, mode="mirror") for summed in total])
    np.testing.assert_allclose(actual.map.numpy(), blurred, atol=1e-4)
    np.testing.assert_array_equal(method.image_score(actual).numpy(), actual.map.numpy().max(axis=(1, 2)))


def test_only_the_student_learns(method: RD) -> None:
    images = picture(2, 3, 64, 64)
    loss = method.loss(Batch(images, method.targets(images)))
    gradients = torch.autograd.grad(loss, list(method.student.parameters()))
    assert all(bool((gradient != 0).any()) for gradient in gradients)
    assert not any(parameter.requires_grad for parameter in method.teacher.parameters())


@pytest.mark.parametrize("size", [48, 100])
def test_a_size_that_does_not_halve_is_refused(method: RD, size: int) -> None:
    with pytest.raises(ConfigError, match=f"multiple of 32, got {size}x{size}; type: --size"):
        method.check_size(size, size)


def test_a_negative_blur_is_refused() -> None:
    with pytest.raises(ConfigError, match="sigma must be 0 or more, got -1"):
        RDConfig(sigma=-1.0)
