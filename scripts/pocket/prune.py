"""Prune a ResNet-18 to a pocket network: inner channels of its blocks are removed, and the others compensate.

Layers are pruned from first to last. Each is fitted to the output of the expert's layer, from the output of the
pruned layers before it, so that it corrects their errors (channel pruning by reconstruction, He et al., ICCV 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from distil import normalise, student_view
from surgeon import Regression
from twinspect.teachers.pocket.network import MEAN, STD, Block, PocketNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.teachers import Teacher

    Maps = Sequence[Tensor]

TAPS = 9
"""Weights of a channel of a 3x3 convolution."""
PLACES = 60_000
"""Places of feature maps that a layer is fitted on, at most."""
AT_ONCE = 8
"""Images whose neighbourhoods are laid out in memory together."""


@torch.no_grad()
def pruned(expert: Teacher, views: Maps) -> PocketNetwork:
    """Give the pocket network that answers as nearly like the expert as pruning alone can make it.

    Args:
        expert: a ResNet-18 with levels 1 to 3.
        views: (B, 3, H, W) uint8 batches that its layers are fitted on; sides are multiples of 16 pixels.
    """
    stem, residuals = _stem(expert), _residuals(expert)
    network = PocketNetwork().to(views[0].device)
    theirs = [network.pool(stem(normalise(batch, expert.mean, expert.std)).relu()) for batch in views]
    _prune_stem(network.stem, stem, expert, theirs, residuals[0].first)
    ours = [network.stem_features(student_view(batch)) for batch in views]
    blocks = [block for stage in network.stages.values() for block in stage]
    for block, residual in zip(blocks, residuals, strict=True):
        answers = [residual.pre_activation(maps) for maps in theirs]
        _prune_block(block, residual.first, ours, theirs, answers)
        ours, theirs = [block(maps) for maps in ours], [maps.relu() for maps in answers]
    return network


@dataclass(frozen=True)
class Residual:
    """A block of the expert, BatchNorm folded in."""

    first: nn.Conv2d
    second: nn.Conv2d
    skip: nn.Module

    def pre_activation(self, images: Tensor) -> Tensor:
        """Give (B, C, h, w) before the last ReLU."""
        skipped: Tensor = self.skip(images)
        return skipped + self.second(self.first(images).relu())


def _stem(expert: Teacher) -> nn.Conv2d:
    network = expert.backbone.net
    return fuse_conv_bn_eval(network.conv1, network.bn1)


def _residuals(expert: Teacher) -> list[Residual]:
    network = expert.backbone.net
    return [
        Residual(
            fuse_conv_bn_eval(block.conv1, block.bn1),
            fuse_conv_bn_eval(block.conv2, block.bn2),
            fuse_conv_bn_eval(*block.downsample) if block.downsample is not None else nn.Identity(),
        )
        for layer in (network.layer1, network.layer2, network.layer3)
        for block in layer
    ]


def _prune_stem(stem: nn.Conv2d, whole: nn.Conv2d, expert: Teacher, theirs: Maps, after: nn.Conv2d) -> None:
    """Keep those filters from which the first block's input and its first convolution are told best."""
    places = Places(theirs)
    wanted = torch.cat([places.points([after(maps) for maps in theirs]), places.points(theirs)], 1)
    seen = places.taps(theirs)
    kept = Regression(seen, wanted).keep(_channels(seen.shape[1]), stem.out_channels)
    weight, given = whole.weight[kept], whole.weight.new_tensor
    mean, std = given(expert.mean)[:, None, None], given(expert.std)[:, None, None]
    # The same filters on images that are normalised in another way.
    stem.weight.copy_(weight * given(STD)[:, None, None] / std)
    stem.bias.copy_(whole.bias[kept] + (weight * (given(MEAN)[:, None, None] - mean) / std).sum((1, 2, 3)))


def _prune_block(block: Block, whole: nn.Conv2d, ours: Maps, theirs: Maps, answers: Maps) -> None:
    """Fit a block to the expert's, all inner channels first; then take away those that cost least.

    Args:
        block: filled in.
        whole: the first convolution of the expert's block.
        ours: what the block sees.
        theirs: what the expert's block sees.
        answers: what the expert's block says, before its last ReLU.
    """
    inner = [whole(maps) for maps in theirs]
    places, stride = Places(inner), block.first.stride[0]
    first = Regression(places.taps(ours, stride), places.points(inner))
    wide = nn.Conv2d(block.first.in_channels, len(first.bias), 3, stride, padding=1).to(inner[0].device)
    _fill(wide, first.weights, first.bias)
    seen = places.taps([wide(maps).relu() for maps in ours])
    groups, wanted = _channels(seen.shape[1]), places.points(answers)
    if block.skip is None:
        wanted -= places.points(ours)
    else:  # the skip's weights are fitted along with the others, and none of them goes
        seen = torch.cat([seen, places.points(ours, stride)], 1)
    second = Regression(seen, wanted)
    kept = second.keep(groups, block.first.out_channels)
    block.first.weight.copy_(wide.weight[kept])
    block.first.bias.copy_(wide.bias[kept])
    _fill(block.second, second.weights[groups[kept].flatten()], second.bias)
    if block.skip is not None:
        _fill(block.skip, second.weights[groups.numel() :], torch.zeros_like(second.bias))


class Places:
    """Places of feature maps, drawn once: what is gathered at them belongs together.

    Args:
        maps: (B, C, H, W) batches of the size that places are drawn in.
    """

    def __init__(self, maps: Maps) -> None:
        per_image = PLACES // sum(len(batch) for batch in maps)
        generator = torch.Generator().manual_seed(0)
        self.chosen = [
            torch.stack(
                [torch.randperm(batch[0, 0].numel(), generator=generator)[:per_image] for _ in batch]
            ).to(batch.device)
            for batch in maps
        ]

    def points(self, maps: Maps, stride: int = 1) -> Tensor:
        """Gather (N, C) values of maps that are `stride` times as large."""
        thinned = (batch[:, :, ::stride, ::stride].flatten(2) for batch in maps)
        return torch.cat([_gather(flat, chosen) for flat, chosen in zip(thinned, self.chosen, strict=True)])

    def taps(self, maps: Maps, stride: int = 1) -> Tensor:
        """Gather (N, 9 C) what a 3x3 convolution sees there of maps that are `stride` times as large."""
        return torch.cat(
            [
                _gather(functional.unfold(some, 3, padding=1, stride=stride), places)
                for batch, chosen in zip(maps, self.chosen, strict=True)
                for some, places in zip(batch.split(AT_ONCE), chosen.split(AT_ONCE), strict=True)
            ]
        )


def _gather(flat: Tensor, places: Tensor) -> Tensor:
    """Take (B, n) places out of (B, R, H W): (B n, R)."""
    return flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1)).transpose(1, 2).flatten(0, 1)


def _channels(regressors: int) -> Tensor:
    """Give (C, 9) numbers of regressors, of each channel."""
    return torch.arange(regressors).view(-1, TAPS)


def _fill(convolution: nn.Conv2d, weights: Tensor, bias: Tensor) -> None:
    """Put (R, O) weights and (O,) biases into a convolution."""
    convolution.weight.copy_(weights.T.reshape(convolution.weight.shape))
    assert convolution.bias is not None
    convolution.bias.copy_(bias)
