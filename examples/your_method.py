"""A method of your own in one file: predict the teacher's coarsest level from its finest.

To use it from the command line, publish it in a package whose pyproject.toml says

    [project.entry-points."twinspect.methods"]
    fine_to_coarse = "your_package.your_method:FineToCoarse"

and type: twinspect fit parts/good --method fine_to_coarse --width 64 --out parts.twin
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import MethodConfig
from twinspect.teachers.base import Teacher


@dataclass(frozen=True)
class FineToCoarseConfig(MethodConfig):
    """Settings; the docstring under a field is its help on the command line."""

    width: int = 32
    """channels of the hidden layer"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""


class FineToCoarse(Method[FineToCoarseConfig]):
    """On good images the fine level predicts the coarse one; where the prediction fails, the image is anomalous."""

    Config = FineToCoarseConfig

    def __init__(self, teacher: Teacher, config: FineToCoarseConfig) -> None:
        super().__init__(teacher, config)
        fine, coarse = teacher.levels[0], teacher.levels[-1]
        stride = coarse.reduction // fine.reduction
        self.student = nn.Sequential(
            nn.Conv2d(fine.channels, config.width, 2 * stride - 1, stride=stride, padding=stride - 1),
            nn.ReLU(),
            nn.Conv2d(config.width, coarse.channels, 1),
        )

    def stages(self) -> tuple[Stage, ...]:
        """One stage: the student."""
        optimizer = partial(torch.optim.Adam, lr=self.config.learning_rate)
        return (Stage.of(self.config, "distil", (self.student,), optimizer, self.loss),)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cosine distance between the coarse level and its prediction."""
        return maps.cosine_map(batch.targets[-1], self.student(batch.targets[0])).mean()

    def forward(self, images: Tensor) -> Output:
        """Map the same distance at each location; the image score is the map's peak."""
        targets = self.targets(images)
        distance = maps.cosine_map(targets[-1], self.student(targets[0]))
        height, width = images.shape[-2:]
        return Output(maps.gaussian_blur(maps.enlarge(distance, (height, width)), self.config.sigma))
