"""Hybrid: a memory of good patches, a student that rebuilds patches and one that imitates the teacher (ours).

A memory alone knows parts that lie in any direction, but not a drawing that it never saw; a student that rebuilds
patches through a bottleneck learns how patches are made, but lets some defects pass. Both look at teacher features
that are computed once, and never at pixels. A student that does sees how a patch and its surroundings belong
together, as on printed circuits, and is the one that learns on if it is given more time.

Four maps are brought to one scale by held-out good images and added: the distance to the nearest good patch
(PatchCore); what the student cannot rebuild of a patch (as deep feature reconstruction does, Shi et al. 2021, arXiv
2012.07122); by how much that is more than is usual at its place; and how the imitation differs from the teacher
(STFPM, Wang et al. 2021, arXiv 2103.04257). The last outlines defects better than it tells images apart: in the sum
that image scores are taken from it is one of four, in the anomaly map it has half the weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.methods import stage_lengths
from twinspect.methods.base import Batch, Method, Output, Stage, a_tenth
from twinspect.methods.config import LAST_STAGE, MethodConfig, count_steps, learnt_from
from twinspect.methods.gathering import GATHER
from twinspect.methods.losses import mean_inside
from twinspect.methods.networks.forward_student import has_batchnorm, level_distances, same_student
from twinspect.methods.networks.map_scale import MapScale
from twinspect.methods.networks.patch_features import (
    as_rows,
    check_neighbourhood,
    comparable,
    of_kind,
    patch_features,
    rows_inside,
)
from twinspect.methods.networks.patch_memory import PatchMemory
from twinspect.methods.networks.patch_student import PatchStudent, cosine_distances
from twinspect.methods.networks.place_statistics import PlaceStatistics
from twinspect.methods.patch_sample import PatchSample
from twinspect.methods.patchcore import PatchCore
from twinspect.methods.schedules import warm_cosine
from twinspect.teachers.plugins import POCKET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from twinspect.teachers.base import Teacher

PLACES: Final = "places"
"""The stage that measures how well the student rebuilds every place of good images."""
IMITATE: Final = "imitate"
"""The stage of the student that sees the image."""
FROM_FEATURES: Final = 3
MEMORY, STUDENT, AT_PLACE = range(FROM_FEATURES)
"""The maps that are made of teacher features."""
SCORE_SHARE: Final = 1 / (FROM_FEATURES + 1)
"""Share of the imitation in the map that image scores are taken from: there, all maps count alike."""
IMITATION_SHARES: Final = {"steps": 1 / 6, "epochs": 1 / 2}
"""Shares of a length at least that the student which sees the image takes."""
IMITATION_RATE, IMITATION_LAST_RATE = 6.4, 0.1
"""Step size of its gradient descent at the start; at the end, as a share of that. Both are those of our STFPM."""
MOMENTUM, DECAY = 0.9, 1e-4
"""Of its gradient descent: STFPM's."""
WARM_UP: Final = 0.05
"""Share of the training in which the step size rises."""
LAST_RATE: Final = 0.01
"""Step size at the end, as a share of the largest."""
NEAREST: Final = 0.01
"""Minimum of the memory's scale, as a share of the deviation of good patches, or of the cosine distance 1. Where
there is a single image to learn from, it is the one that the scale is measured on, and all its patches may be in the
memory, at no distance."""


@dataclass(frozen=True)
class HybridConfig(MethodConfig):
    """Settings of the hybrid; all are ours."""

    CROSS_CONFORMAL_BELOW: ClassVar[int] = 19
    # A literal and not SCORE_SHARE: the command line reads settings from the source, without importing torch.
    EARLIER: ClassVar[dict[str, Any]] = {
        "imitate_steps": 0,
        "patch_stride": 1,
        "imitate_share": 0.25,
        "distance": "euclidean",
    }
    RANGES: ClassVar[dict[str, str]] = {
        "imitate_steps": "[0, inf)",
        "imitate_epochs": "[0, inf)",
        "imitate_share": "[0, 1]",
        "patch_stride": "[1, inf)",
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

    size: int | str = 256
    """side of the square that the teacher sees, in pixels"""
    steps: int = 300
    """optimiser steps of the student that rebuilds patches"""
    imitate_steps: int = 60
    """optimiser steps of the student that sees the image and imitates the teacher; 0 for none; ignored where
    imitate_epochs is given"""
    imitate_epochs: int = 0
    """passes of that student over the training images; 0 uses imitate_steps instead"""
    imitate_share: float = 0.5
    """share of that student's map in the anomaly map; in what the image score is taken from it is a quarter"""
    batch_size: int = 8
    """images per optimiser step"""
    learning_rate: float = 1e-3
    """largest step size of AdamW"""
    patch_stride: int = 8
    """smallest stride of the teacher's levels that patches are made of, in pixels; where it has none such, all are
    used"""
    members: int = 2000
    """good patches that the memory keeps, chosen as PatchCore's coreset"""
    candidates: int = 40_000
    """patches that these are chosen from, drawn at random"""
    projection: int = 128
    """dimensions of the random projection in which they are chosen; 0 for none"""
    neighbourhood: int = 3
    """side of the square of places whose features the memory averages; odd; the student sees them sharp"""
    distance: Literal["euclidean", "cosine"] = "cosine"
    """between patches in the memory; cosine compares the directions of their features alone"""
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

    @property
    def imitates(self) -> bool:
        """Whether there is a student that sees the image."""
        return self.imitate_steps > 0 or self.imitate_epochs > 0

    def of_length(
        self, length: int, field: Literal["steps", "epochs"], given: Collection[str] = ()
    ) -> HybridConfig:
        """Divide the length between the students: the one that sees the image takes what is more than usual.

        Of a single step or pass there is nothing for it.
        """
        if not self.imitates or (length == 1 and f"{IMITATE}_{field}" not in given):
            alone = replace(self, imitate_steps=0, imitate_epochs=0)
            return super(HybridConfig, alone).of_length(length, field, given)
        share = IMITATION_SHARES[field]
        if field == "steps":
            share = max(share, 1 - HybridConfig.steps / length)
        return replace(self, **stage_lengths.divide(self, length, field, given, first=IMITATE, share=share))

    def total_steps(self, images: int, held_out: Mapping[str, int] | None = None) -> int:
        """Count the optimiser steps of a fit, both students together."""
        held = self.held_out([images]) if held_out is None else held_out
        shown = learnt_from(images, held, IMITATE)
        first = count_steps(shown, self.imitate_steps, self.imitate_epochs, self.batch_size)
        return first + super().total_steps(images, held)

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that the maps' scales are measured on."""
        stages = (GATHER, LAST_STAGE, PLACES, *((IMITATE,) if self.imitates else ()))
        return dict.fromkeys(stages, sum(map(a_tenth, images)))


class Hybrid(Method[HybridConfig]):
    """A teacher, a memory of its features of good patches, a student that rebuilds them and one that imitates it."""

    Config = HybridConfig

    def __init__(self, teacher: Teacher, config: HybridConfig) -> None:
        super().__init__(teacher, config)
        coarse = [level.reduction >= config.patch_stride for level in teacher.levels]
        self._made_of = [number for number, is_used in enumerate(coarse) if is_used or not any(coarse)]
        self._widths = tuple(teacher.levels[number].channels for number in self._made_of)
        self.memory = PatchMemory()
        self.student = PatchStudent(sum(self._widths), config.width, config.bottleneck)
        self.usual_errors = PlaceStatistics()
        self.scale = MapScale(FROM_FEATURES)
        imitator = (
            same_student(teacher, int(torch.randint(2**31, ())), shortcuts=True) if config.imitates else None
        )
        # The step size suits networks with BatchNorm: transformers and the like are not imitated.
        self.imitator = imitator if imitator and has_batchnorm(imitator) else None
        self.imitation_scale = MapScale(1) if self.imitator else None

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:
        """Take the levels that PatchCore takes, and where there is one, a finer one that is imitated too."""
        from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

        if teacher == POCKET:
            return None
        return backbones.numbers_at(teacher, backbones.DEFAULT_STRIDES) or PatchCore.usual_layers(teacher)

    def stages(self) -> tuple[Stage, ...]:
        """Gather patches, train the student that rebuilds, gather how well it does at every place, and imitate.

        Only the last follows the minutes of a fit: the other student does not gain by more steps.
        """
        config = self.config
        gather = Stage.gathering(config, GATHER, self.gather)
        distil = Stage.of(config, LAST_STAGE, (self.student,), self._optimizer, self.loss, warmed_cosine)
        places = Stage.gathering(config, PLACES, self.gather_errors)
        return (
            replace(gather, pixels=False, measure=partial(self.measure, MEMORY)),
            replace(
                distil, pixels=False, measure=partial(self.measure, STUDENT), timed=self.imitator is None
            ),
            replace(places, pixels=False, measure=partial(self.measure, AT_PLACE)),
            *((self._imitation(self.imitator),) if self.imitator else ()),
        )

    def update_stages(self, absent: int) -> tuple[Stage, ...]:
        """Add members, train the students again, and measure places anew.

        The student's features stay on the scale that it has learnt, and so does the memory's map: on images that are
        in the memory, it would be too fine.
        """
        _, distil, places, *rest = self.stages()
        gather = Stage.gathering(self.config, GATHER, self.extend)
        places = replace(places, gather=partial(self.gather_errors, absent=absent))
        return (replace(gather, pixels=False), distil, places, *rest)

    def _imitation(self, student: nn.Module) -> Stage:
        config = self.config
        return Stage(
            name=IMITATE,
            trained=(student,),
            optimizer=partial(torch.optim.SGD, lr=IMITATION_RATE, momentum=MOMENTUM, weight_decay=DECAY),
            loss=self.imitation_loss,
            steps=config.imitate_steps,
            epochs=config.imitate_epochs,
            batch_size=config.batch_size,
            rate=partial(warm_cosine, warm=0.0, last=IMITATION_LAST_RATE),
            measure=self.measure_imitation,
        )

    def _optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=self.config.learning_rate, weight_decay=1e-5, fused=True)

    def gather(self, batches: Iterable[Batch]) -> None:
        """Keep a coreset of the good patches, and the mean and deviation of their features."""
        sample = PatchSample(self.config.candidates)
        self.student.gather(self._sampled(batches, sample))
        sample.close()
        self.memory.members = sample.coreset(self.config.members, self.config.projection)

    def extend(self, batches: Iterable[Batch]) -> None:
        """Choose the coreset anew, among its members and the patches of more good images."""
        sample = PatchSample(max(self.config.candidates, 2 * len(self.memory.members)))
        sample.keep(self.memory.members)
        for _ in self._sampled(batches, sample):
            pass
        sample.close()
        self.memory.members = sample.coreset(self.config.members, self.config.projection)

    def _sampled(self, batches: Iterable[Batch], sample: PatchSample) -> Iterator[Tensor]:
        """Yield the sharp patches of batches, having added the averaged ones to a sample."""
        for batch in batches:
            sample.add(rows_inside(self._remembered(batch.targets), batch.inside))
            yield rows_inside(self._features(batch.targets), batch.inside)

    def loss(self, batch: Batch) -> Tensor:
        """Average the distance between patches drawn at random and what the student makes of them."""
        patches = rows_inside(self._features(batch.targets), batch.inside)
        drawn = patches[torch.randint(len(patches), (self.config.patches,), device=patches.device)]
        return cosine_distances(drawn, self.student(drawn, self.config.noise), self._widths).mean()

    def imitation_loss(self, batch: Batch) -> Tensor:
        """Sum over levels the mean over locations of 1/2 |t - s|^2 between unit vectors, as STFPM does."""
        levels = self._imitation_levels(batch.images, batch.targets)
        return torch.stack([mean_inside(level, batch.inside) for level in levels]).sum()

    def gather_errors(self, batches: Iterable[Batch], absent: int = 0) -> None:
        """Measure how well good patches of every place are rebuilt, and were in so many images of before."""
        self.usual_errors.gather((self._errors(batch.targets) for batch in batches), absent)

    def measure(self, number: int, batches: Sequence[Batch]) -> None:
        """Take the scale of a map from held-out images."""
        branch = (self._distances, self._errors, lambda levels: self.usual_errors(self._errors(levels)))
        least = self._least_range() if number == MEMORY else 0.0
        regions = [batch.inside for batch in batches]
        self.scale.measure(number, [branch[number](batch.targets) for batch in batches], least, regions)

    def _least_range(self) -> float:
        """Give the minimum of the memory's scale, in the unit of its distances."""
        unit = float(self.student.deviation.norm()) if self.config.distance == "euclidean" else 1.0
        return NEAREST * unit

    def measure_imitation(self, batches: Sequence[Batch]) -> None:
        """Take the scale of the imitation's map from held-out images."""
        assert self.imitation_scale is not None  # noqa: S101 - there is a student that sees the image
        found = [self._imitation_map(batch.images, batch.targets) for batch in batches]
        self.imitation_scale.measure(0, found, regions=[batch.inside for batch in batches])

    def _imitation_map(self, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Take the geometric mean of the levels' distances at the images' size: (B, H, W).

        STFPM's product has so few high values that a scale taken from a held-out image or two would be luck.
        """
        levels = self._imitation_levels(images, targets)
        product = maps.multiply(levels, (images.shape[-2], images.shape[-1]))
        return product.clamp_min(0) ** (1 / len(levels))

    def _imitation_levels(self, images: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
        assert self.imitator is not None  # noqa: S101 - there is a student that sees the image
        return level_distances(self.imitator, images, targets)

    def _remembered(self, levels: Sequence[Tensor]) -> Tensor:
        """Give what the memory holds of patches, before they become rows: (B, C, h, w)."""
        return comparable(self._features(levels, self.config.neighbourhood), self.config.distance)

    def _features(self, levels: Sequence[Tensor], neighbourhood: int = 1) -> Tensor:
        return patch_features([levels[number].float() for number in self._made_of], neighbourhood)

    def _distances(self, levels: Sequence[Tensor]) -> Tensor:
        """Measure how far patches are from the nearest in the memory: (B, h, w)."""
        features = self._remembered(levels)
        found, _ = self.memory(as_rows(features))
        distances: Tensor = of_kind(found, self.config.distance)
        return distances.view(features.shape[0], *features.shape[-2:])

    def _errors(self, levels: Sequence[Tensor]) -> Tensor:
        """Measure what the student cannot rebuild: (B, h, w)."""
        features = self._features(levels)
        patches = as_rows(features)
        errors = cosine_distances(patches, self.student(patches), self._widths)
        return errors.view(features.shape[0], *features.shape[-2:])

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the image score, which one odd place must not decide."""
        return self.config.top_share

    def forward(self, images: Tensor) -> Output:
        """Add the maps on their common scale, once to be shown and once for the image score."""
        levels = self.targets(images)
        errors = self._errors(levels)
        branches = torch.stack([self._distances(levels), errors, self.usual_errors(errors)], dim=1)
        features = maps.fuse([self.scale(branches).mean(dim=1)], (images.shape[-2], images.shape[-1]))
        if self.imitation_scale is None:
            return Output(maps.gaussian_blur(features, self.config.sigma))
        imitation = self.imitation_scale(self._imitation_map(images, levels)[:, None])[:, 0]
        shown, scored = (
            maps.gaussian_blur((1 - share) * features + share * imitation, self.config.sigma)
            for share in (self.config.imitate_share, SCORE_SHARE)
        )
        return Output(shown, context=(scored,))

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Average the highest values of the sum in which all maps count alike, in a region or everywhere."""
        return maps.image_score(output.context[0] if output.context else output.map, self.top_share, inside)


def warmed_cosine(done: float) -> float:
    """Return the factor of the step size: it rises at the start, and falls as a cosine."""
    rise = min(1.0, (done + LAST_RATE) / WARM_UP)
    return rise * max(LAST_RATE, 0.5 * (1 + math.cos(math.pi * done)))
