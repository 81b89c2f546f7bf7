"""RD: its networks against the teacher's anatomy and the parameters of the authors' code, its loss against NumPy."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from twinspect.errors import ConfigError
from twinspect.methods.aand import AAND, AANDConfig
from twinspect.methods.base import Batch
from twinspect.methods.config import config_of_record
from twinspect.methods.networks.backbone_stages import BackboneStage, backbone_stages
from twinspect.methods.networks.reverse_decoder import BlockCounts, Bottleneck, Decoder, ResidualBlock
from twinspect.methods.rd import RD, RDConfig
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.teachers.base import Teacher


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def method() -> RD:
    torch.manual_seed(0)
    return RD(create_teacher("pocket"), RDConfig(size=64)).eval()


@pytest.fixture(scope="module")
def random_teacher() -> Callable[[str], Teacher]:
    """Make teachers of random weights, each once: large ones take seconds. Tests must not change them."""
    return functools.cache(lambda name: create_teacher(name, weights="random"))


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
    name: str, blocks: list[int], inner: list[int], random_teacher: Callable[[str], Teacher]
) -> None:
    parts = backbone_stages(random_teacher(name))
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


@pytest.mark.parametrize(
    ("name", "embedding", "decoder"),
    [  # counted in the networks that the authors' code builds (hq-deng/RD4AD, 6554076)
        ("resnet18", 11_680_000, 3_703_168),
        ("resnet34", 16_400_640, 5_770_624),
        ("resnet50", 30_829_568, 15_821_824),
        ("wide_resnet50_2", 58_885_120, 24_917_504),
    ],
)
def test_every_part_has_the_parameters_of_the_authors_code(
    name: str, embedding: int, decoder: int, random_teacher: Callable[[str], Teacher]
) -> None:
    student = RD(random_teacher(name), RDConfig()).student
    assert count(student.bottleneck) == embedding
    assert count(student.decoder) == decoder


def test_the_size_is_the_published_one(random_teacher: Callable[[str], Teacher]) -> None:
    """161.08 million parameters with WRN-50 (AAND, table VIII), which counts in what neither network uses."""
    method = RD(random_teacher("wide_resnet50_2"), RDConfig())
    layer4 = 41_971_712
    classifier = 2048 * 1000 + 1000
    never_called = 4096 * 2048 + 2 * 2048  # a 1x1 convolution of the authors' embedding, with its BatchNorm
    assert count(method) + layer4 + classifier + never_called == 161_078_568


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("resnet18", "9e8f3630bf8d93ec"),
        ("resnet34", "b8f41d7187c76b37"),
        ("wide_resnet50_2", "3d743d7a0f05be9b"),
    ],
)
def test_a_record_without_block_counts_has_the_layout_of_earlier_versions(
    name: str, layout: str, random_teacher: Callable[[str], Teacher]
) -> None:
    """The digests are of the names and shapes of the tensors that commit 31b82d0 wrote."""
    config = config_of_record(RDConfig, {"size": 256})
    state = RD(random_teacher(name), config).student.state_dict()
    lines = "\n".join(f"{key} {tuple(tensor.shape)}" for key, tensor in state.items())
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == layout


def test_transposed_convolutions_start_as_torch_makes_them() -> None:
    """The authors' code draws convolutions anew by Kaiming's rule, which leaves out the transposed ones."""
    transposed = nn.ConvTranspose2d(512, 256, 2, 2)
    block = ResidualBlock(512, 256, scale=2).requires_grad_(False)
    expected = float(transposed.weight.detach().std())
    assert float(block.shortcut[0].weight.std()) == pytest.approx(expected, rel=0.02)
    assert float(block.body[3].weight.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)


def test_the_embedding_is_half_as_fine_and_twice_as_wide_as_the_coarsest_level() -> None:
    parts = (
        BackboneStage(8, 4, False, 1, 0),
        BackboneStage(12, 8, False, 2, 0),
        BackboneStage(16, 16, False, 1, 4),
    )
    counts = BlockCounts.of(parts, "authors")
    bottleneck = Bottleneck(parts, counts.embedding).eval()
    levels = [picture(2, part.channels, 128 // part.reduction, 64 // part.reduction) for part in parts]
    embedding = bottleneck(levels)
    assert embedding.shape == (2, 32, 4, 2)
    rebuilt = Decoder(parts, bottleneck.width, counts.decoder).eval()(embedding)
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
    other = AAND(method.teacher, AANDConfig())
    for each, name in ((method, "rd"), (other, "aand")):
        with pytest.raises(
            ConfigError, match=f"^{name} with .* multiple of 32, got {size}x{size}; type: --size"
        ):
            each.check_size(size, size)


def test_a_negative_blur_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sigma must be in 0\.\.10000, got -1"):
        RDConfig(sigma=-1.0)
