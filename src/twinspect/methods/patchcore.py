"""PatchCore (Roth et al., CVPR 2022, arXiv 2106.08265): how far patches are from those of good images.

Nothing is learnt in steps. The teacher's features of all patches of the good images are gathered, a greedy coreset of
them is kept, and a patch is as anomalous as it is far from the nearest one kept. For few images there is what
AnomalyDINO adds (Damm et al., WACV 2025, arXiv 2405.14529): turned images, cosine distances, no background.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from twinspect import maps
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.gathering import GATHER, GatheringConfig
from twinspect.methods.networks.patch_features import (
    as_rows,
    check_neighbourhood,
    comparable,
    of_kind,
    patch_features,
    rows_inside,
)
from twinspect.methods.networks.patch_foreground import PatchForeground
from twinspect.methods.networks.patch_memory import PatchMemory
from twinspect.methods.patch_sample import PatchSample
from twinspect.methods.rotation import rotated
from twinspect.teachers.plugins import POCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.teachers.base import Teacher

FOREGROUND = "foreground"
"""The stage that finds the background."""
STRIDES = (8, 16)
"""Of a convolutional network's second and third level, in pixels of the image."""
POCKET_LAYERS = (2, 3)
"""Those of the pocket teacher."""


@dataclass(frozen=True)
class PatchCoreConfig(GatheringConfig):
    """Settings of PatchCore; the defaults are the paper's unless a field says otherwise."""

    PAPER_TEACHER: ClassVar[str] = "wide_resnet50_2"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 256, "crop": 224, "coreset": 0.1, "channels": 1024, "neighbours": 9},
        "anomalydino": {
            "size": 448,
            "crop": 0,
            "coreset": 1.0,
            "rotations": 8,
            "neighbourhood": 1,
            "channels": 0,
            "foreground": True,
            "distance": "cosine",
            "top_share": 0.01,
        },
    }

    CROSS_CONFORMAL_BELOW: ClassVar[int] = 19
    RANGES: ClassVar[dict[str, str]] = {
        "coreset": "(0, 1]",
        "projection": "[0, 65536]",
        "patches": "[1, inf)",
        "rotations": "[1, 360]",
        "neighbourhood": "[1, 99]",
        "channels": "[0, 65536]",
        "neighbours": "[0, 1000]",
        "top_share": "[0, 1]",
        "sigma": "[0, 10000]",
    }

    coreset: float = 0.01
    """share of the patches of good images that are kept: 0.25, 0.1 and 0.01 in the paper"""
    projection: int = 128
    """dimensions of the random projection in which the coreset is chosen; 0 for none"""
    patches: int = 400_000
    """patches that the coreset is chosen from, drawn at random where there are more, which bounds memory (ours)"""
    rotations: int = 1
    """how many times each good image is gathered, turned around evenly: 4 turns by 90 degrees, 8 by 45 (ours, after
    AnomalyDINO); for few images of parts that lie in any direction"""
    neighbourhood: int = 3
    """side of the square of places whose features are averaged; odd"""
    channels: int = 0
    """features of a patch, by averages over adjacent ones; 0 keeps all (1024 in the paper)"""
    neighbours: int = 9
    """members around the nearest one that the image score is weighted by: the farther they are, the more a distance
    counts (b); 0 takes the largest distance as it is, as the authors' code does"""
    foreground: bool = False
    """leave out patches of the background, where the first principal component of good patches tells a part from it;
    elsewhere all patches count (ours, after AnomalyDINO)"""
    distance: Literal["euclidean", "cosine"] = "euclidean"
    """between patches: PatchCore's or AnomalyDINO's; the coreset is chosen by the same (ours)"""
    top_share: float = 0.0
    """share of the patches whose largest distances are averaged to the image score, 0.01 in AnomalyDINO; 0 takes the
    largest, weighted by its neighbours (ours)"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""

    def __post_init__(self) -> None:
        """Check every field."""
        super().__post_init__()
        check_neighbourhood(self.neighbourhood)


class PatchCore(Method[PatchCoreConfig]):
    """A teacher, and the coreset of its features of good patches."""

    Config = PatchCoreConfig

    def __init__(self, teacher: Teacher, config: PatchCoreConfig) -> None:
        super().__init__(teacher, config)
        self.memory = PatchMemory()
        self.foreground = PatchForeground() if config.foreground else None

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:
        """Take a convolutional network's second and third level; those of the default of other teachers."""
        from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

        return POCKET_LAYERS if teacher == POCKET else backbones.numbers_at(teacher, STRIDES)

    def stages(self) -> tuple[Stage, ...]:
        """Gather the patches of all good images, once; before that, find the background if it is to be left out."""
        gather = Stage.gathering(self.config, GATHER, self.gather)
        if self.foreground is None:
            return (gather,)
        return Stage.gathering(self.config, FOREGROUND, self.gather_foreground), gather

    def update_stages(self, absent: int) -> tuple[Stage, ...]:
        """Add members; what is background stays as it was found."""
        return (Stage.gathering(self.config, GATHER, partial(self.extend, absent)),)

    def gather_foreground(self, batches: Iterable[Batch]) -> None:
        """Learn to tell the background from the part."""
        assert self.foreground is not None  # noqa: S101 - there is no such stage without
        self.foreground.gather((self._features(batch.targets), batch.inside) for batch in batches)

    def gather(self, batches: Iterable[Batch]) -> None:
        """Keep the coreset of the patches of good images."""
        sample = PatchSample(self.config.patches)
        self._fill(sample, batches)
        count = max(1, round(self.config.coreset * len(sample)))
        self.memory.members = sample.coreset(count, self.config.projection)

    def extend(self, absent: int, batches: Iterable[Batch]) -> None:
        """Choose the coreset anew, among its members and the patches of more good images.

        It keeps the share of all patches that it had, those of absent images included.
        """
        known, sample = len(self.memory.members), PatchSample(self.config.patches)
        sample.keep(self.memory.members)
        images = self._fill(sample, batches)
        patches = min(self.config.patches, (len(sample) - known) * (images + absent) / images)
        self.memory.members = sample.coreset(
            max(known, round(self.config.coreset * patches)), self.config.projection
        )

    def _fill(self, sample: PatchSample, batches: Iterable[Batch]) -> int:
        """Add the patches of good images to a sample, and count the images."""
        images = 0
        for batch in batches:
            images += len(batch.images)
            for levels, inside in self._turned(batch):
                features = self._features(levels)
                kept = self._counted(features, inside)
                sample.add(rows_inside(comparable(features, self.config.distance), kept))
        sample.close()
        return images

    def _turned(self, batch: Batch) -> Iterator[tuple[tuple[Tensor, ...], Tensor | None]]:
        """Yield the features of a batch and where to look, and those of its images turned around."""
        yield batch.targets, batch.inside
        for turn in range(1, self.config.rotations):
            degrees, inside = 360 * turn / self.config.rotations, batch.inside
            if inside is not None:
                inside = rotated(inside[:, None].float(), degrees)[:, 0] > 1 / 2
            yield self.targets(rotated(batch.images, degrees)), inside

    def _features(self, levels: Sequence[Tensor]) -> Tensor:
        return patch_features(levels, self.config.neighbourhood, self.config.channels)

    def note(self) -> str:
        """Say that a background was looked for in vain."""
        if self.foreground is None or not self.foreground.is_whole:
            return ""
        return "no background was found in the good images: all of their patches count"

    def forward(self, images: Tensor) -> Output:
        """Map the distances of patches."""
        features = self._features(self.targets(images))
        patches = as_rows(comparable(features, self.config.distance))
        found, nearest = self.memory(patches)
        distances = self._of_part(found.view(features.shape[0], *features.shape[-2:]), features)
        fused = maps.fuse([distances], (images.shape[-2], images.shape[-1]), self.config.sigma)
        return Output(fused, context=(distances, found, nearest, patches))

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Weigh the largest distance of a patch (section 3.3), or average the largest, those of a region alone."""
        distances, found, nearest, patches = output.context
        at = None if inside is None else maps.inside_at(inside, (distances.shape[-2], distances.shape[-1]))
        if self.config.top_share:
            return maps.top_mean(distances, self.config.top_share, at)
        counted = distances if at is None else torch.where(at, distances, -torch.inf)
        peaks, places = counted.flatten(1).max(dim=1)
        rows = places + torch.arange(distances.shape[0], device=places.device) * distances[0].numel()
        weights = self.memory.weights(patches[rows], nearest[rows], found[rows], self.config.neighbours)
        return peaks * weights

    def _counted(self, features: Tensor, inside: Tensor | None) -> Tensor | None:
        """Say which patches of (B, C, h, w) features count: of the part and in the region; ``None`` for all."""
        size = (features.shape[-2], features.shape[-1])
        at = None if inside is None else maps.inside_at(inside, size)
        if self.foreground is None:
            return at
        of_part: Tensor = (self.foreground(features) > 0).view(features.shape[0], *size)
        return of_part if at is None else of_part & at

    def _of_part(self, distances: Tensor, features: Tensor) -> Tensor:
        """Turn (B, h, w) distances into those that were asked for, and those of background into 0."""
        distances = of_kind(distances, self.config.distance)
        return distances if self.foreground is None else distances * self.foreground(features)
