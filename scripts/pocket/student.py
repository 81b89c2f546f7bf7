"""The pocket network in training, and how it starts: from the layers of the expert that it has a place for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from twinspect.teachers.pocket.network import NAMES, STEM, Block, PocketNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYERS = ("first", "second", "shortcut")
"""The convolutions of a block."""


class Normed(nn.Module):
    """A convolution with BatchNorm after it: learns several times as fast, and is one convolution in the end.

    Args:
        conv: with a bias.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve and normalise."""
        normed: Tensor = self.norm(self.conv(features))
        return normed

    def neutral(self, inputs: tuple[Tensor, ...], _outputs: Tensor) -> Tensor:
        """Set the norm so that it changes nothing; a forward hook."""
        found: Tensor = self.conv(*inputs)
        mean, deviation = found.mean((0, 2, 3)), found.std((0, 2, 3)).clamp_min(1e-3)
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        for parameter, value in ((norm.weight, deviation), (norm.bias, mean)):
            parameter.copy_(value)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(deviation.square())
        return found

    def fused(self) -> nn.Conv2d:
        """Give the one convolution that does the same in evaluation."""
        conv = fuse_conv_bn_eval(self.conv, self.norm)
        assert isinstance(conv, nn.Conv2d)
        return conv


class Student(PocketNetwork):
    """The pocket network with BatchNorm, giving every level before its last ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem[0] = Normed(self.stem[0])
        for block in self.stages.values():
            for name in LAYERS:
                setattr(block, name, Normed(getattr(block, name)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give (B, C, h, w) maps, fine to coarse; ReLU of them is what the next stage sees and what ships."""
        features, levels = self.stem(images), []
        for block in self.stages.values():
            levels.append(block.before(features))
            features = levels[-1].relu()
        return tuple(levels)

    @torch.no_grad()
    def start_from(self, expert: nn.Module, scales: Sequence[Tensor], sample: Tensor) -> None:
        """Copy the stem and the first block of every stage.

        Of the stem's channels those are kept whose pooled outputs vary most; a quarter of them hardly does.

        Args:
            expert: a ResNet-18 as timm builds it, in evaluation mode.
            scales: what the student's levels are to be divided by, (C, 1, 1) each.
            sample: (B, 3, H, W) float32, normalised, that outputs are measured on.
        """
        stem = fuse_conv_bn_eval(expert.conv1, expert.bn1)
        pooled = expert.maxpool(stem(sample).relu())
        kept = pooled.std((0, 2, 3)).topk(STEM).indices.sort().values
        _fill(self.stem[0], stem.weight[kept], stem.bias[kept])
        before = torch.ones(STEM, 1, 1)
        chosen: Tensor | slice = kept
        for name, layer, scale in zip(NAMES, ("layer1", "layer2", "layer3"), scales, strict=True):
            _start_block(
                self.stages[name], getattr(expert, layer)[0], before[:, 0, 0], scale[:, 0, 0], chosen
            )
            before, chosen = scale, slice(None)
        hooks = [m.register_forward_hook(Normed.neutral) for m in self.modules() if isinstance(m, Normed)]
        self(sample)
        for hook in hooks:
            hook.remove()

    @torch.no_grad()
    def shipped(self, scales: Sequence[Tensor]) -> dict[str, Tensor]:
        """Give the tensors of a plain network whose levels have the expert's own scale, channel by channel.

        Call it in evaluation mode.

        Args:
            scales: what the student's levels were divided by, (C, 1, 1) each.
        """
        network = PocketNetwork()
        network.stem[0] = self.stem[0].fused()
        before = torch.ones(STEM, 1, 1)
        for name, scale in zip(NAMES, scales, strict=True):
            block = network.stages[name]
            for layer in LAYERS:
                setattr(block, layer, getattr(self.stages[name], layer).fused())
            for conv in (block.first, block.shortcut):
                conv.weight /= before
            for conv in (block.second, block.shortcut):
                conv.weight *= scale[..., None]
                conv.bias *= scale[:, 0, 0]
            before = scale
        return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def _start_block(
    block: Block, source: nn.Module, before: Tensor, scale: Tensor, kept: Tensor | slice
) -> None:
    """Copy a basic block whose inputs were divided by `before`, so that its outputs are divided by `scale`."""
    first = fuse_conv_bn_eval(source.conv1, source.bn1)
    _fill(block.first, first.weight[:, kept] * before[:, None, None], first.bias)
    second = fuse_conv_bn_eval(source.conv2, source.bn2)
    _fill(block.second, second.weight / scale[:, None, None, None], second.bias / scale)
    if source.downsample is None:
        point, bias = torch.eye(len(scale))[..., None, None], torch.zeros(len(scale))
    else:
        fused = fuse_conv_bn_eval(*source.downsample)
        point, bias = fused.weight, fused.bias
    point = point[:, kept] * before[:, None, None] / scale[:, None, None, None]
    _fill(block.shortcut, point, bias / scale)


def _fill(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    assert isinstance(layer, Normed)
    layer.conv.weight.copy_(weight)
    assert layer.conv.bias is not None
    layer.conv.bias.copy_(bias)
