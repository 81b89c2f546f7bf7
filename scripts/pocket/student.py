"""The pocket network as it is trained: every 3x3 convolution with a 1x1 branch, a skip and BatchNorm.

The branches are summed as kernels, before the convolution, so that they cost nothing in an image's worth of
work (RepVGG's branches, Ding et al., CVPR 2021, added in weight space). `folded` gives what ships.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinspect.teachers.pocket.network import PLAN


class Convolution(nn.Module):
    """One 3x3 convolution whose kernel is a sum of branches, with BatchNorm after it.

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: of the convolution; a skip is added where shapes allow one.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.square = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.point = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        nn.init.kaiming_normal_(self.square, nonlinearity="relu")
        nn.init.kaiming_normal_(self.point, nonlinearity="relu")
        self.skip = nn.Parameter(torch.ones(outputs)) if inputs == outputs and stride == 1 else None
        self.norm = nn.BatchNorm2d(outputs)

    def kernel(self) -> Tensor:
        """Sum the branches: (outputs, inputs, 3, 3)."""
        kernel = self.square + functional.pad(self.point, (1, 1, 1, 1))
        if self.skip is not None:
            kernel = kernel + functional.pad(torch.diag(self.skip)[..., None, None], (1, 1, 1, 1))
        return kernel

    def forward(self, images: Tensor) -> Tensor:
        """Convolve and normalise; no activation."""
        normed: Tensor = self.norm(functional.conv2d(images, self.kernel(), stride=self.stride, padding=1))
        return normed

    def folded(self) -> tuple[Tensor, Tensor]:
        """Fold BatchNorm in: the weight and bias of one plain convolution that gives the same in evaluation."""
        norm = self.norm
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return self.kernel() * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class Student(nn.Module):
    """The pocket network in training: gives every level before its last ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(
            {name: nn.ModuleList(Convolution(*step) for step in steps) for name, steps in PLAN}
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give (B, C, h, w) maps, fine to coarse; ReLU of them is what the next stage sees and what ships."""
        levels = []
        for stage in self.stages.values():
            assert isinstance(stage, nn.ModuleList)
            for convolution in stage:
                before = convolution(images)
                images = functional.relu(before)
            levels.append(before)
        return tuple(levels)

    @torch.no_grad()
    def folded(self) -> dict[str, Tensor]:
        """Give the tensors of `twinspect.teachers.pocket.network.PocketNetwork`, float32."""
        tensors = {}
        for name, stage in self.stages.items():
            assert isinstance(stage, nn.ModuleList)
            for number, convolution in enumerate(stage):
                assert isinstance(convolution, Convolution)
                weight, bias = convolution.folded()
                tensors[f"stages.{name}.{2 * number}.weight"] = weight.contiguous()
                tensors[f"stages.{name}.{2 * number}.bias"] = bias.contiguous()
        return tensors
