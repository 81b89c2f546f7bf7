"""The cloner of MKD: a plain convolutional network whose critical layers have the teacher's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from twinspect.teachers.base import Level

NARROW = 16
"""Channels of every layer that is not critical (Salehi et al. 2021, authors' code)."""


class Cloner(nn.Module):
    """A VGG-like student that is far smaller than its teacher, except where the two are compared.

    For VGG-16 with pool2..pool5 as critical layers it is the authors' network,
    ``16 16 M 16 128 M 16 16 256 M 16 16 512 M 16 16 512 M``. For any other teacher the same rule is followed:
    before each halving two 3x3 convolutions (three from stride 8 on), all narrow but the last, which has the
    teacher's width if the halving leads to a critical layer.

    Args:
        levels: the teacher's levels to imitate, fine to coarse.
        equal: give every layer the width of the level it leads to, as a VGG does (the paper's ablation).
    """

    def __init__(self, levels: Sequence[Level], *, equal: bool = False) -> None:
        super().__init__()
        blocks = []
        channels, reduction = 3, 1
        for level in levels:
            for step in _steps(reduction, level.reduction):
                reduction *= step
                critical = reduction == level.reduction
                width = level.channels if critical else NARROW
                # A VGG is narrower in its fine layers: half the width for every remaining halving.
                hidden = max(NARROW, level.channels * reduction // level.reduction) if equal else NARROW
                signed = critical and level.signed
                last = width if critical or not equal else hidden
                blocks.append(
                    _Block(channels, hidden, last, depth=_depth(reduction), pool=step, signed=signed)
                )
                channels = last
        self.blocks = nn.ModuleList(blocks)
        self._last_of_level = _last_blocks(levels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Imitate the teacher.

        Args:
            images: (B, 3, H, W) float32, normalised as for the teacher.

        Returns:
            One (B, C_k, h_k, w_k) map per level, shaped like the teacher's.
        """
        maps: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            images = block(images)
            maps.extend(images for last in self._last_of_level if last == index)
        return tuple(maps)


class _Block(nn.Sequential):
    """Convolutions, then one max-pooling by ``pool``."""

    def __init__(self, channels: int, hidden: int, last: int, *, depth: int, pool: int, signed: bool) -> None:
        layers: list[nn.Module] = []
        for _ in range(depth - 1):
            layers += [_conv(channels, hidden), nn.BatchNorm2d(hidden), nn.ReLU()]
            channels = hidden
        layers.append(_conv(channels, last))
        if not signed:  # features that may be negative cannot come out of a ReLU
            layers.append(nn.ReLU())
        if pool > 1:
            layers.append(nn.MaxPool2d(pool))
        super().__init__(*layers)


def _conv(channels: int, width: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
    nn.init.xavier_uniform_(conv.weight)
    return conv


def _depth(reduction: int) -> int:
    """Return the number of convolutions before the pooling that leads to this stride, as in VGG-16."""
    return 2 if reduction <= 4 else 3


def _steps(start: int, goal: int) -> Iterator[int]:
    """Split the ratio of two strides into its prime factors; equal strides are one step of 1."""
    ratio = goal // start
    if ratio <= 1:
        yield 1
    factor = 2
    while ratio > 1:
        if ratio % factor == 0:
            yield factor
            ratio //= factor
        else:
            factor += 1


def _last_blocks(levels: Sequence[Level]) -> tuple[int, ...]:
    """Return the index of the block that ends each level."""
    ends, count, reduction = [], 0, 1
    for level in levels:
        count += len(list(_steps(reduction, level.reduction)))
        reduction = level.reduction
        ends.append(count - 1)
    return tuple(ends)
