"""Hybrid: a memory of good patches and a student, on teacher features that are computed once (ours).

A memory alone knows parts that lie in any direction, but not a drawing that it never saw; a student that rebuilds
patches through a bottleneck learns how patches are made, but lets some defects pass. Both are ready within a minute
on a CPU, as neither looks at pixels again. Three maps are brought to one scale by held-out good images and added:
the distance to the nearest good patch (PatchCore); what the student cannot rebuild of a patch (as deep feature
reconstruction does, Shi et al. 2021, arXiv 2012.07122); and by how much that is more than is usual at its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

import torch
from torch import Tensor

from twinspect import maps
from twinspect.methods.base import Batch, Method, Output, Stage, a_tenth
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.gathering import GATHER
from twinspect.methods.networks.map_scale import MapScale
from twinspect.methods.networks.patch_features import (
    as_rows,
    check_neighbourhood,
    patch_features,
    rows_inside,
)
from twinspect.methods.networks.patch_memory import PatchMemory
from twinspect.methods.networks.patch_student import PatchStudent, cosine_distances
from twinspect.methods.networks.place_statistics import PlaceStatistics
from twinspect.methods.patch_sample import PatchSample
from twinspect.methods.patchcore import PatchCore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.teachers.base import Teacher

PLACES: Final = "places"
"""The stage that measures how well the student rebuilds every place of good images."""
MEMORY, STUDENT, AT_PLACE = range(3)
"""The maps."""
WARM_UP: Final = 0.05
"""Share of the training in which the step size rises."""
LAST_RATE: Final = 0.01
"""Step size at the end, as a share of the largest."""
NEAREST: Final = 0.01
"""Minimum of the memory's scale, as a share of the deviation of good patches. Where there is a single image to learn
from, it is the one that the scale is measured on, and all its patches may be in the memory, at no distance."""


@dataclass(frozen=True)
class HybridConfig(MethodConfig):
    """Settings of the hybrid; all are ours."""

    CROSS_CONFORMAL_BELOW: ClassVar[int] = 19
    RANGES: ClassVar[dict[str, str]] = {
        "members": "[1, inf)",
        "candidates": "[1, inf)",
        "projection": "[0, 65536]",
        "neighbourhood": "[1, 99]",
        "width": "[1, 65536]",
        "bottleneck": "[1, 65536]",
        "patches": "[1, inf)",
        "noise": "[0, 100]",
        "top_share": "[0, 1]",
        "sigma": "[0, 10000]",
    }

    size: int = 256
    """side of the square that the teacher sees, in pixels"""
    steps: int = 300
    """optimiser steps of the student"""
    batch_size: int = 8
    """images per optimiser step"""
    learning_rate: float = 1e-3
    """largest step size of AdamW"""
    members: int = 2000
    """good patches that the memory keeps, chosen as PatchCore's coreset"""
    candidates: int = 40_000
    """patches that these are chosen from, drawn at random"""
    projection: int = 128
    """dimensions of the random projection in which they are chosen; 0 for none"""
    neighbourhood: int = 3
    """side of the square of places whose features the memory averages; odd; the student sees them sharp"""
    width: int = 192
    """channels of the student's layers"""
    bottleneck: int = 24
    """channels of its narrowest layer"""
    patches: int = 1024
    """patches per optimiser step"""
    noise: float = 0.5
    """standard deviation of the noise that the student removes, in deviations of each feature"""
    top_share: float = 0.003
    """share of the map's highest values whose mean is the image score, three places of 32 x 32; 0 for the peak"""
    sigma: float = 0.0
    """blur of the map, in pixels of the model input"""

    def __post_init__(self) -> None:
        """Check every field."""
        super().__post_init__()
        check_neighbourhood(self.neighbourhood)

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that the maps' scales are measured on."""
        return dict.fromkeys((GATHER, LAST_STAGE, PLACES), sum(map(a_tenth, images)))


class Hybrid(Method[HybridConfig]):
    """A teacher, a memory of its features of good patches, and a student that rebuilds them."""

    Config = HybridConfig

    def __init__(self, teacher: Teacher, config: HybridConfig) -> None:
        super().__init__(teacher, config)
        self._widths = tuple(level.channels for level in teacher.levels)
        self.memory = PatchMemory()
        self.student = PatchStudent(sum(self._widths), config.width, config.bottleneck)
        self.usual_errors = PlaceStatistics()
        self.scale = MapScale(3)

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:
        """Take the levels that PatchCore takes."""
        return PatchCore.usual_layers(teacher)

    def stages(self) -> tuple[Stage, ...]:
        """Gather patches, train the student, and gather how well it rebuilds every place."""
        config = self.config
        gather = Stage.gathering(config, GATHER, self.gather)
        distil = Stage.of(config, LAST_STAGE, (self.student,), self._optimizer, self.loss, warmed_cosine)
        places = Stage.gathering(config, PLACES, self.gather_errors)
        return (
            replace(gather, pixels=False, measure=partial(self.measure, MEMORY)),
            replace(distil, pixels=False, measure=partial(self.measure, STUDENT)),
            replace(places, pixels=False, measure=partial(self.measure, AT_PLACE)),
        )

    def _optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=self.config.learning_rate, weight_decay=1e-5)

    def gather(self, batches: Iterable[Batch]) -> None:
        """Keep a coreset of the good patches, and the mean and deviation of their features."""
        sample = PatchSample(self.config.candidates)
        self.student.gather(self._sampled(batches, sample))
        sample.close()
        self.memory.members = sample.coreset(self.config.members, self.config.projection)

    def _sampled(self, batches: Iterable[Batch], sample: PatchSample) -> Iterator[Tensor]:
        """Yield the sharp patches of batches, having added the averaged ones to a sample."""
        for batch in batches:
            sample.add(rows_inside(self._features(batch.targets, self.config.neighbourhood), batch.inside))
            yield rows_inside(self._features(batch.targets), batch.inside)

    def loss(self, batch: Batch) -> Tensor:
        """Average the distance between patches drawn at random and what the student makes of them."""
        patches = rows_inside(self._features(batch.targets), batch.inside)
        drawn = patches[torch.randint(len(patches), (self.config.patches,), device=patches.device)]
        return cosine_distances(drawn, self.student(drawn, self.config.noise), self._widths).mean()

    def gather_errors(self, batches: Iterable[Batch]) -> None:
        """Measure how well good patches of every place are rebuilt."""
        self.usual_errors.gather(self._errors(batch.targets) for batch in batches)

    def measure(self, number: int, batches: Sequence[Batch]) -> None:
        """Take the scale of a map from held-out images."""
        branch = (self._distances, self._errors, lambda levels: self.usual_errors(self._errors(levels)))
        least = NEAREST * float(self.student.deviation.norm()) if number == MEMORY else 0.0
        regions = [batch.inside for batch in batches]
        self.scale.measure(number, [branch[number](batch.targets) for batch in batches], least, regions)

    def _features(self, levels: Sequence[Tensor], neighbourhood: int = 1) -> Tensor:
        return patch_features([level.float() for level in levels], neighbourhood)

    def _distances(self, levels: Sequence[Tensor]) -> Tensor:
        """Measure how far patches are from the nearest in the memory: (B, h, w)."""
        features = self._features(levels, self.config.neighbourhood)
        distances, _ = self.memory(as_rows(features))
        reshaped: Tensor = distances.view(len(features), *features.shape[-2:])
        return reshaped

    def _errors(self, levels: Sequence[Tensor]) -> Tensor:
        """Measure what the student cannot rebuild: (B, h, w)."""
        features = self._features(levels)
        patches = as_rows(features)
        errors = cosine_distances(patches, self.student(patches), self._widths)
        return errors.view(len(features), *features.shape[-2:])

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the image score, which one odd place must not decide."""
        return self.config.top_share

    def forward(self, images: Tensor) -> Output:
        """Average the three maps on their common scale; the image score is the mean of the highest values."""
        levels = self.targets(images)
        errors = self._errors(levels)
        branches = torch.stack([self._distances(levels), errors, self.usual_errors(errors)], dim=1)
        joined = self.scale(branches).mean(dim=1)
        return Output(maps.fuse([joined], (images.shape[-2], images.shape[-1]), self.config.sigma))


def warmed_cosine(done: float) -> float:
    """Return the factor of the step size: it rises at the start, and falls as a cosine."""
    rise = min(1.0, (done + LAST_RATE) / WARM_UP)
    return rise * max(LAST_RATE, 0.5 * (1 + math.cos(math.pi * done)))
