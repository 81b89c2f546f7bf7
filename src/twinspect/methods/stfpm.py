"""STFPM: student-teacher feature pyramid matching (Wang et al., BMVC 2021, arXiv 2103.04257).

A student of the teacher's own architecture, from random weights, sees the same image and imitates the directions of
the teacher's features at several levels. It learns what good images look like and nothing else; a defect shows at
the levels that see something of its size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from twinspect import maps
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.losses import mean_inside
from twinspect.methods.networks.forward_student import NarrowStudent, level_distances, same_student
from twinspect.methods.rd import check_multiple
from twinspect.methods.schedules import warm_cosine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.teachers.base import Teacher


@dataclass(frozen=True)
class STFPMConfig(MethodConfig):
    """Settings of STFPM; the defaults are the authors' unless a field says otherwise.

    The step size of the defaults reaches a lower error on held-out good images within a short training.
    """

    PAPER_TEACHER: ClassVar[str] = "resnet18"
    EARLIER: ClassVar[dict[str, Any]] = {"shortcuts": False}
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "size": 256,
            "epochs": 100,
            "batch_size": 32,
            "optimizer": "sgd",
            "learning_rate": 0.4,
            "warmup": 0.0,
            "last_rate": 1.0,
            "shortcuts": False,
        },
        "edge": {"student": "light"},
    }
    RANGES: ClassVar[dict[str, str]] = {
        "momentum": "[0, 1)",
        "weight_decay": "[0, inf)",
        "warmup": "[0, 1]",
        "last_rate": "[0, 1]",
        "sigma": "[0, 10000]",
    }

    steps: int = 400
    """optimiser steps (ours; the authors train 100 epochs); ignored where epochs is given"""
    batch_size: int = 16
    """images per optimiser step (ours; the authors' 32)"""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """stochastic gradient descent, or AdamW with a step size of about 3e-3 (ours)"""
    learning_rate: float = 6.4
    """step size of the optimiser (ours; the authors' 0.4 learns too slowly for a short training)"""
    momentum: float = 0.9
    """share of the previous step that is added to the next; stochastic gradient descent only"""
    weight_decay: float = 1e-4
    """share of a weight that the optimiser subtracts, times the step size"""
    warmup: float = 0.0
    """share of the training in which the step size rises to its full value (ours; the authors' is constant)"""
    last_rate: float = 0.1
    """step size at the end of a cosine, as a share of the full one (ours; the authors' is constant)"""
    student: Literal["same", "narrow", "light"] = "same"
    """same: of the teacher's architecture; narrow: as deep, half as wide between its levels (ours); light: half as
    deep, and a quarter as wide (ours)"""
    shortcuts: bool = True
    """residual blocks of a student "same" start as their shortcuts alone, which bears large steps (ours, and timm's
    networks; the authors' blocks start in full)"""
    fusion: Literal["product", "sum"] = "product"
    """how the maps of the levels become one"""
    sigma: float = 0.0
    """blur of the map, in pixels of the model input"""

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that choose the state that is kept."""
        return {LAST_STAGE: sum(map(a_fifth, images))}


class STFPM(Method[STFPMConfig]):
    """A teacher, and a student that sees the image too."""

    Config = STFPMConfig

    def __init__(self, teacher: Teacher, config: STFPMConfig) -> None:
        super().__init__(teacher, config)
        # A drawn seed follows the training's seed and does not repeat the weights of a random teacher.
        seed = int(torch.randint(2**31, ()))
        if config.student == "same":
            self.student = same_student(teacher, seed, shortcuts=config.shortcuts)
        else:
            self.student = NarrowStudent(teacher, light=config.student == "light")

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes at which a narrow student's strides and the teacher's round differently."""
        if self.config.student != "same":
            unit, is_cropped = self.teacher.levels[-1].reduction, self.config.crop > 0
            check_multiple("stfpm", self.teacher, unit, height, width, is_cropped=is_cropped)

    def stages(self) -> tuple[Stage, ...]:
        """Train the student; the state with the lowest loss on held-out good images is kept."""
        config = self.config
        rate = partial(warm_cosine, warm=config.warmup, last=config.last_rate)
        stage = Stage.of(config, LAST_STAGE, (self.student,), self._optimizer, self.loss, rate)
        return (replace(stage, validate=self.validate, held_out=a_fifth),)

    def _optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        if self.config.optimizer == "sgd":
            return torch.optim.SGD(parameters, rate, self.config.momentum, weight_decay=decay)
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)

    def loss(self, batch: Batch) -> Tensor:
        """Sum over levels the mean over locations of 1/2 |t - s|^2 between unit vectors (equations 1 and 2)."""
        levels = self._compare(batch.images, batch.targets)
        return torch.stack([mean_inside(level, batch.inside) for level in levels]).sum()

    def validate(self, batch: Batch) -> dict[str, float]:
        """Compute the same on held-out good images."""
        return {"loss": float(self.loss(batch))}

    def forward(self, images: Tensor) -> Output:
        """Multiply the levels' maps at the images' size, or add them up; the score is the map's peak (equation 3)."""
        fuse = maps.multiply if self.config.fusion == "product" else maps.fuse
        levels = self._compare(images, self.targets(images))
        return Output(fuse(levels, (images.shape[-2], images.shape[-1]), self.config.sigma))

    def _compare(self, images: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
        """Compare student and teacher: one (B, h_k, w_k) map per level, fine to coarse."""
        return level_distances(self.student, images, targets)


def a_fifth(images: int) -> int:
    """Return the number of held-out training images: a fifth, rounded up; none of fewer than five."""
    return -(-images // 5) if images >= 5 else 0
