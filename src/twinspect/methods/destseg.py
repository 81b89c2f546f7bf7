"""DeSTSeg: a denoising student and a segmentation head (Zhang et al., CVPR 2023, arXiv 2211.11317).

The student sees images with drawn anomalies and learns what the teacher says of the clean ones, so that they differ
where an image is anomalous. The head then learns from drawn anomalies where such differences matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods import stage_lengths
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import LAST_STAGE, MethodConfig, count_steps
from twinspect.methods.losses import focal_loss, mean_inside
from twinspect.methods.networks.denoising_student import DenoisingStudent
from twinspect.methods.networks.resizing import resized
from twinspect.methods.networks.segmentation_head import SegmentationHead
from twinspect.synthesis import Synthesizer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from twinspect.teachers.base import Teacher

FIRST_STAGE = "student"
FIRST_SHARE = 0.2
"""Share of a fit that the student is trained in: 1000 of the authors' 5000 steps."""
AUTHORS_BATCH = 32
"""The authors add up the student's loss over their batch; here it is this many times the mean, whatever the batch."""
GAMMA = 4.0
"""Exponent of the focal loss, which has no weight of anomalies against the rest."""
MOMENTUM, DECAY = 0.9, 1e-4
"""Of SGD (authors' code)."""


@dataclass(frozen=True)
class DeSTSegConfig(MethodConfig):
    """Settings of DeSTSeg; the defaults are quick ones for a CPU, and the preset ``paper`` is the authors'."""

    PAPER_TEACHER: ClassVar[str] = "resnet18"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 256, "student_steps": 1000, "steps": 4000, "batch_size": 32, "width": 256},
    }

    RANGES: ClassVar[dict[str, str]] = {
        "student_steps": "[1, inf)",
        "student_epochs": "[0, inf)",
        "blocks_rate": "(0, inf)",
        "head_rate": "(0, inf)",
        "width": "[1, inf)",
        "top_share": "[0, 1]",
    }

    size: int | str = 128
    """side of the square that the teacher sees, in pixels; at least four times the coarsest stride"""
    steps: int = 160
    """optimiser steps of the segmentation head (ours; the authors take 4000); ignored where epochs is given"""
    student_steps: int = 80
    """optimiser steps of the student before (ours; the authors take 1000); ignored where student_epochs is given"""
    student_epochs: int = 0
    """passes over the training images of the student; 0 uses student_steps instead"""
    batch_size: int = 8
    """images in an optimiser step"""
    learning_rate: float = 0.4
    """step size of the student's SGD"""
    blocks_rate: float = 0.1
    """step size of the head's residual blocks"""
    head_rate: float = 0.01
    """step size of the rest of the head"""
    width: int = 64
    """channels of the head (ours; the authors have 256)"""
    top_share: float = 0.00152587890625
    """share of the map, its highest values, whose mean is the image score: 100 pixels of 256 x 256"""
    synthesis: Literal["draem", "cutpaste", "poisson", "mixed"] = "draem"
    """how anomalies are drawn"""
    textures: str = ""
    """folder of images to draw anomalies from, such as DTD; empty: procedural textures and the training images"""

    def of_length(
        self, length: int, field: Literal["steps", "epochs"], given: Collection[str] = ()
    ) -> DeSTSegConfig:
        """Divide the length between the stages as the authors do; a student's length that was given stays."""
        lengths = stage_lengths.divide(self, length, field, given, first=FIRST_STAGE, share=FIRST_SHARE)
        return replace(self, **lengths)

    def total_steps(self, images: int, held_out: Mapping[str, int] | None = None) -> int:
        """Count the optimiser steps of a fit, both stages together."""
        first = count_steps(images, self.student_steps, self.student_epochs, self.batch_size)
        return first + super().total_steps(images, held_out)


class DeSTSeg(Method[DeSTSegConfig]):
    """A teacher, its denoising student, and the head that segments by their products."""

    Config = DeSTSegConfig

    def __init__(self, teacher: Teacher, config: DeSTSegConfig) -> None:
        super().__init__(teacher, config)
        self.student = DenoisingStudent(teacher)
        self.segmentation = SegmentationHead(sum(level.channels for level in teacher.levels), config.width)

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the image score."""
        return self.config.top_share

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes of which the student's deepest stage leaves a single location."""
        least = 4 * self.teacher.levels[-1].reduction
        if min(height, width) < least:
            option = "crop" if self.config.crop else "size"
            raise ConfigError(
                f"destseg with {self.teacher.name} needs a size of {least} or more, got {height}x{width}; type: "
                f"--{option} {least}"
            )

    def stages(self) -> tuple[Stage, ...]:
        """Train the student, then the head."""
        config = self.config
        synthesizer = Synthesizer(kind=config.synthesis, textures=config.textures, normal_share=0.0)
        student = Stage(
            name=FIRST_STAGE,
            trained=(self.student,),
            optimizer=partial(_sgd, lr=config.learning_rate),
            loss=self.denoising_loss,
            steps=config.student_steps,
            epochs=config.student_epochs,
            batch_size=config.batch_size,
            synthesizer=synthesizer,
            clean_targets=True,
        )
        head = Stage(
            name=LAST_STAGE,
            trained=(self.segmentation,),
            optimizer=self._head_optimizer,
            loss=self.segmentation_loss,
            steps=config.steps,
            epochs=config.epochs,
            batch_size=config.batch_size,
            synthesizer=synthesizer,
        )
        return student, head

    def _head_optimizer(self, _parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [
            {"params": list(self.segmentation.blocks.parameters()), "lr": self.config.blocks_rate},
            {"params": list(self.segmentation.head.parameters()), "lr": self.config.head_rate},
        ]
        return _sgd(groups, lr=self.config.head_rate)

    def denoising_loss(self, batch: Batch) -> Tensor:
        """Compare corrupted images, as the student sees them, with clean ones, as the teacher does."""
        pairs = zip(batch.targets, self.student(batch.images), strict=True)
        levels = [mean_inside(maps.cosine_map(t, s.to(t.dtype)), batch.inside) for t, s in pairs]
        return AUTHORS_BATCH * torch.stack(levels).sum()

    def segmentation_loss(self, batch: Batch) -> Tensor:
        """Compare the head's probabilities with where anomalies were drawn: focal loss and mean difference."""
        assert batch.masks is not None  # noqa: S101 - the stage draws anomalies
        with torch.no_grad():
            products = self.products(batch.images, batch.targets)
        probability = self._probability(products)
        size = (probability.shape[-2], probability.shape[-1])
        truth = maps.covered(batch.masks, size) >= 1 / 2
        if batch.inside is not None:
            inside = maps.inside_at(batch.inside, size)
            probability, truth = probability[inside], truth[inside]
        # Of equal weights, 1/2 each, twice the loss is the one without any.
        focal = 2 * focal_loss(probability, truth, gamma=GAMMA, alpha=1 / 2)
        return focal + (probability - truth.float()).abs().mean()

    def products(self, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Multiply unit features of teacher and student, at the finest level's size: (B, sum of C_k, h, w)."""
        size = (targets[0].shape[-2], targets[0].shape[-1])
        pairs = zip(targets, self.student(images), strict=True)
        units = [(functional.normalize(t), functional.normalize(s.to(t.dtype))) for t, s in pairs]
        return torch.cat([resized(-t * s, size) for t, s in units], dim=1)

    def _probability(self, products: Tensor) -> Tensor:
        logits: Tensor = self.segmentation(products)
        return logits.float().sigmoid()

    def forward(self, images: Tensor) -> Output:
        """Map the head's probabilities."""
        probability = self._probability(self.products(images, self.targets(images)))
        return Output(maps.enlarge(probability, (images.shape[-2], images.shape[-1])))


def _sgd(parameters: Any, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=MOMENTUM, weight_decay=DECAY)
