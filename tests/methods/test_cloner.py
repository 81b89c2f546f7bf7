"""The cloner has the teacher's shapes, and for VGG-16 it is the network of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from twinspect.methods.networks.cloner import Cloner
from twinspect.teachers import Level

VGG = tuple(
    Level(f"pool{n}", width, 2**n, signed=False) for n, width in ((2, 128), (3, 256), (4, 512), (5, 512))
)


def layers(cloner: Cloner) -> str:
    words = []
    for module in cloner.modules():
        if isinstance(module, nn.Conv2d):
            words.append(str(module.out_channels))
        elif isinstance(module, nn.MaxPool2d):
            words.append("M")
    return " ".join(words)


def test_for_vgg16_it_is_the_papers_cloner() -> None:
    assert layers(Cloner(VGG)) == "16 16 M 16 128 M 16 16 256 M 16 16 512 M 16 16 512 M"


def test_for_vgg16_the_equal_cloner_is_the_papers_ablation() -> None:
    expected = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
    assert layers(Cloner(VGG, equal=True)) == expected


def test_batch_norm_follows_every_convolution_but_the_one_before_a_pool() -> None:
    for block in Cloner(VGG).blocks:
        kinds = [type(module).__name__ for module in block]
        convolutions = kinds.count("Conv2d")
        assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * (convolutions - 1) + [
            "Conv2d",
            "ReLU",
            "MaxPool2d",
        ]
    assert all(m.bias is None for m in Cloner(VGG).modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    "levels",
    [
        VGG,
        tuple(Level(f"layer{n}", 64 * n, 2 ** (n + 1), signed=False) for n in (1, 2, 3)),
        tuple(Level(f"block{n}", 192, 16, signed=True) for n in range(4)),
        (Level("patches", 384, 14, signed=True),),
    ],
)
@pytest.mark.parametrize("equal", [False, True])
def test_its_maps_have_the_teachers_shapes(levels: tuple[Level, ...], equal: bool) -> None:
    side = 112 if levels[0].reduction == 14 else 64
    actual = Cloner(levels, equal=equal).eval()(torch.rand(2, 3, side, 2 * side))
    expected = [(2, level.channels, side // level.reduction, 2 * side // level.reduction) for level in levels]
    assert [tuple(level_map.shape) for level_map in actual] == expected


def test_features_that_may_be_negative_do_not_come_out_of_a_relu() -> None:
    torch.manual_seed(0)
    actual = Cloner((Level("a", 8, 4, signed=True),)).eval()(torch.randn(1, 3, 32, 32))[0]
    assert actual.min() < 0
    actual = Cloner((Level("a", 8, 4, signed=False),)).eval()(torch.randn(1, 3, 32, 32))[0]
    assert actual.min() >= 0
