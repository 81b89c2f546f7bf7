"""The pocket network as it is trained: every 3x3 convolution with a 1x1 branch, a skip and BatchNorm.

The branches are summed as kernels, before the convolution, so that they cost nothing in an image's worth of
work (RepVGG's branches, Ding et al., CVPR 2021, added in weight space). `folded` gives what ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinspect.teachers.pocket.network import NAMES, PLAN, PocketNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Convolution(nn.Module):
    """One 3x3 convolution whose kernel is a sum of branches, with BatchNorm after it.

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: of the convolution; a skip is added where shapes allow one.
        dilation: of the convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.stride = stride
        self.dilation = dilation
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
        kernel, reach = self.kernel(), self.dilation
        normed: Tensor = self.norm(
            functional.conv2d(images, kernel, stride=self.stride, padding=reach, dilation=reach)
        )
        return normed

    def folded(self) -> tuple[Tensor, Tensor]:
        """Fold BatchNorm in: the weight and bias of one plain convolution that gives the same in evaluation."""
        norm = self.norm
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return self.kernel() * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class Stage(nn.ModuleList):
    """One stage in training.

    Args:
        steps: a stage of the plan.
    """

    def __init__(self, steps: Sequence[tuple[int, int, int, int]]) -> None:
        super().__init__(Convolution(*step) for step in steps)

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, C, h, w) before the last ReLU; after it is what the next stage sees and what ships."""
        before = images
        for number, convolution in enumerate(self):
            before = convolution(functional.relu(before) if number else before)
        return before

    @torch.no_grad()
    def folded(self, name: str) -> dict[str, Tensor]:
        """Give the tensors of the stage called `name` in `twinspect.teachers.pocket.network.PocketNetwork`."""
        tensors = {}
        for number, convolution in enumerate(self):
            assert isinstance(convolution, Convolution)
            weight, bias = convolution.folded()
            tensors[f"stages.{name}.{2 * number}.weight"] = weight.contiguous()
            tensors[f"stages.{name}.{2 * number}.bias"] = bias.contiguous()
        return tensors


class Student(nn.Module):
    """The pocket network in training: gives every level before its last ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({name: Stage(steps) for name, steps in PLAN})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give (B, C, h, w) maps, fine to coarse."""
        levels = []
        for stage in self.stages.values():
            levels.append(stage(images))
            images = functional.relu(levels[-1])
        return tuple(levels)

    def folded(self) -> dict[str, Tensor]:
        """Give the tensors of a `PocketNetwork`, float32."""
        tensors: dict[str, Tensor] = {}
        for name, stage in self.stages.items():
            assert isinstance(stage, Stage)
            tensors |= stage.folded(name)
        return tensors


class LastStage(nn.Module):
    """The coarsest stage, learnt anew on top of finer ones that are trained already and stay as they are.

    Args:
        tensors: of a pocket teacher, of which the finer stages are taken.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.trunk = PocketNetwork(NAMES[:-1]).requires_grad_(False)
        self.trunk.load_state_dict({name: tensors[name].float() for name in self.trunk.state_dict()})
        self.name, steps = PLAN[-1]
        self.stage = Stage(steps)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give (B, C, h, w) maps, fine to coarse: the last one before its ReLU."""
        *finer, last = self.trunk(images)
        return (*finer, last, self.stage(last))

    def folded(self) -> dict[str, Tensor]:
        """Give the tensors of a `PocketNetwork`, float32."""
        finer = {name: tensor.contiguous() for name, tensor in self.trunk.state_dict().items()}
        return finer | self.stage.folded(self.name)
