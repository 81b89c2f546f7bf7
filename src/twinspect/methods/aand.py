"""AAND: advancing the pre-trained teacher (Tang et al., IEEE TIP 2026, arXiv 2405.02068).

Stage I learns, from drawn anomalies, to amplify in the teacher's features what looks anomalous. Stage II distils
the amplified teacher into reverse distillation's student, on good images alone, with more weight on hard patches.
With everything switched off this is RD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.methods import stage_lengths
from twinspect.methods.base import Batch, Output, Stage, a_few, constant
from twinspect.methods.config import authors_lengths, count_steps, learnt_from
from twinspect.methods.losses import (
    amplification_loss,
    contrastive_loss,
    focal_loss,
    hard_loss,
    truncated_loss,
)
from twinspect.methods.networks.feature_amplifier import FeatureAmplifier
from twinspect.methods.networks.feature_classifier import FeatureClassifier
from twinspect.methods.rd import RD, RDConfig, adam
from twinspect.methods.schedules import stepped
from twinspect.synthesis import Synthesizer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from twinspect.teachers.base import Teacher

MOST_ANOMALOUS, MOST_NORMAL = 1000, 5000
"""Maximum of patches of a level and batch that the amplification loss compares (authors' code)."""

FIRST_STAGE = "amplify"

CLASSIFIER_MARGIN = 0.5
"""How far the classifier's logits are pushed from 0 (SimpleNet)."""


@dataclass(frozen=True)
class AANDConfig(RDConfig):
    """Settings of AAND; the defaults are quick ones for a CPU. All presets but `paper` change no length."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "size": 256,
            "epochs": 120,
            "amplify_epochs": 100,
            "interpolation": "bicubic",
            "blocks": "authors",
        },
        "quick": {},
        "edge": {"student": "light", "amplifier": "light", "memory": 10},
        "base": {"amplify": "none", "hard_patches": 0},
        "mrg": {"amplify": "gate", "hard_patches": 0},
        "arg": {"amplify": "generator", "hard_patches": 0},
        "raa": {"hard_patches": 0},
        "hkd": {"amplify": "none"},
        "contrastive": {"amplify": "generator", "objective": "contrastive"},
        "simplenet": {
            "amplify": "classifier",
            "synthesis": "noise",
            "hard_patches": 0,
            "learning_rate": 2e-4,
        },
    }

    RANGES: ClassVar[dict[str, str]] = {
        "amplify_steps": "[1, inf)",
        "amplify_epochs": "[0, inf)",
        "memory": "[1, inf)",
        "margin": "[0, inf)",
        "amplification_weight": "[0, inf)",
        "focal_gamma": "[0, inf)",
        "focal_alpha": "[0, 1]",
        "hard_patches": "[0, inf)",
        "noise": "[0, inf)",
    }

    amplify: Literal["both", "gate", "generator", "classifier", "none"] = "both"
    """what stage I trains: gate and generator; the gate alone, whose weight is then the map; the generator
    alone, which amplifies everywhere; SimpleNet's classifier, which is then the map; or nothing (tables V and VI)"""
    objective: Literal["amplification", "contrastive"] = "amplification"
    """what the generator learns: to reduce the similarity of anomalous features to normal ones by a margin, or to
    pull normal features together and push anomalous ones away (table VI; how: ours)"""
    residual: Literal["tanh", "sigmoid", "learnable"] = "tanh"
    """how the generator's output becomes a residual: as a scale of the features, or unchanged (table VII)"""
    amplifier: Literal["full", "light"] = "full"
    """full: the authors' gate and generator; light: narrow ones, a ninth of the work (ours)"""
    amplify_steps: int = 300
    """optimiser steps of stage I (ours; the authors train 100 epochs); ignored where amplify_epochs is given"""
    amplify_epochs: int = 0
    """passes over the training images in stage I; 0 uses amplify_steps instead"""
    memory: int = 50
    """normal memory items of a gate, and as many anomalous ones (L)"""
    margin: float = 0.3
    """by how much amplification reduces the similarity of anomalous features to normal ones (alpha)"""
    amplification_weight: float = 0.1
    """weight of the amplification loss against the focal loss (c)"""
    focal_gamma: float = 2.0
    """how much less the focal loss weighs patches that are already right"""
    focal_alpha: float = 0.8
    """weight of anomalous patches in the focal loss"""
    hard_patches: int = 10
    """worst patches of each image that stage II weighs a second time (K_h); 0 switches this off"""
    synthesis: Literal["draem", "cutpaste", "poisson", "mixed", "noise"] = "draem"
    """how stage I's anomalies are drawn; noise: none are, and Gaussian noise is added to features (SimpleNet)"""
    noise: float = 0.015
    """standard deviation of that noise, in the units of the features (SimpleNet)"""
    textures: str = ""
    """folder of images to draw anomalies from, such as DTD; empty: procedural textures and the training images"""

    def of_length(
        self, length: int, field: Literal["steps", "epochs"], given: Collection[str] = ()
    ) -> AANDConfig:
        """Divide the length between the stages in their usual proportion; a stage I that was given keeps its own."""
        if self.amplify == "none":
            return replace(self, **stage_lengths.named(field, 0, length, first=FIRST_STAGE))
        if not self.distils:
            stage_lengths.check_unit(self, length, field, given, FIRST_STAGE)
            return replace(self, **stage_lengths.named(field, length, 0, first=FIRST_STAGE))
        usual = AANDConfig(**(authors_lengths(AANDConfig) if field == "epochs" else {}))
        of_first, of_second = getattr(usual, f"amplify_{field}"), getattr(usual, field)
        share = of_first / (of_first + of_second)
        return replace(
            self, **stage_lengths.divide(self, length, field, given, first=FIRST_STAGE, share=share)
        )

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that stage I is measured on."""
        return {FIRST_STAGE: sum(map(a_few, images))} if self.amplify != "none" else {}

    def total_steps(self, images: int, held_out: Mapping[str, int] | None = None) -> int:
        """Count the optimiser steps of a fit, both stages together."""
        held = self.held_out([images]) if held_out is None else held_out
        shown = learnt_from(images, held, FIRST_STAGE)
        first = count_steps(shown, self.amplify_steps, self.amplify_epochs, self.batch_size)
        second = super().total_steps(images, held)
        return (self.amplify != "none") * first + self.distils * second

    @property
    def distils(self) -> bool:
        """Whether there is a stage II; what stage I learnt is the map otherwise."""
        return self.amplify not in ("gate", "classifier")


class AAND(RD):
    """RD on an amplified teacher."""

    Config = AANDConfig
    config: AANDConfig

    def __init__(self, teacher: Teacher, config: AANDConfig) -> None:
        super().__init__(teacher, config)
        levels = teacher.levels if config.amplify != "none" else ()
        self.amplifiers = nn.ModuleList(self._amplifier(level.channels) for level in levels)
        if not config.distils:
            del self.student  # gate or classifier score

    def _amplifier(self, channels: int) -> FeatureAmplifier | FeatureClassifier:
        """Build what stage I trains for a level."""
        amplify = self.config.amplify
        if amplify == "classifier":
            return FeatureClassifier(channels)
        return FeatureAmplifier(
            channels,
            self.config.memory,
            gate=amplify != "generator",
            generator=amplify != "gate",
            residual=self.config.residual,
            light=self.config.amplifier == "light",
        )

    def stages(self) -> tuple[Stage, ...]:
        """Amplify, then distil."""
        stages = (self._amplification(),) if self.amplifiers else ()
        return stages + super().stages() if self.config.distils else stages

    def _amplification(self) -> Stage:
        config = self.config
        return Stage(
            name=FIRST_STAGE,
            trained=(self.amplifiers,),
            optimizer=adam(config.learning_rate),
            loss=self.amplify_loss,
            steps=config.amplify_steps,
            epochs=config.amplify_epochs,
            batch_size=config.batch_size,
            rate=stepped if config.decay else constant,
            synthesizer=None
            if config.synthesis == "noise"
            else Synthesizer(kind=config.synthesis, textures=config.textures),
            validate=self.validate_amplification,
            held_out=a_few,
        )

    def amplify_loss(self, batch: Batch) -> Tensor:
        """Train the gate to locate anomalies, and the generator to move them away from normal features (L_1)."""
        total = batch.images.new_zeros(())
        for amplifier, features, truth, normal in self._levels(batch):
            total = total + self._level_loss(amplifier, features, truth, normal)
        return total

    def _levels(self, batch: Batch) -> Iterator[tuple[nn.Module, Tensor, Tensor, Tensor]]:
        """Yield each level's network, features of which some are anomalous, and which are and which are not."""
        for amplifier, level in zip(self.amplifiers, batch.targets, strict=True):
            features = amplifier.adapt(level) if isinstance(amplifier, FeatureClassifier) else level
            if batch.masks is None:
                features, truth = with_noise(features, self.config.noise)
            else:
                truth = covered_patches(batch.masks, features)
            normal = ~truth
            if (
                batch.foregrounds is not None
            ):  # what lies beside the object is no example of it (authors' code)
                normal = normal & covered_patches(batch.foregrounds, features)
            if batch.inside is not None:
                inside = covered_patches(batch.inside, features)
                normal = normal & inside.repeat(len(normal) // len(inside), 1, 1)  # noisy copies come after
            yield amplifier, features, truth, normal

    def _level_loss(self, amplifier: nn.Module, features: Tensor, truth: Tensor, normal: Tensor) -> Tensor:
        if isinstance(amplifier, FeatureClassifier):
            return truncated_loss(amplifier(features).float(), truth, CLASSIFIER_MARGIN)
        assert isinstance(amplifier, FeatureAmplifier)  # noqa: S101 - the list holds no other
        loss = features.new_zeros(())
        if amplifier.gate is not None:
            weight = amplifier.weight(features).float()
            loss = focal_loss(weight, truth, gamma=self.config.focal_gamma, alpha=self.config.focal_alpha)
        if amplifier.generator is None:
            return loss
        return loss + self.config.amplification_weight * self._residual_loss(
            amplifier, features, truth, normal
        )

    def _residual_loss(
        self, amplifier: FeatureAmplifier, features: Tensor, truth: Tensor, normal: Tensor
    ) -> Tensor:
        """Compare amplified features of anomalous patches with features of normal ones."""
        amplified = (features + amplifier.residual(features)).permute(0, 2, 3, 1)
        vanilla = features.permute(0, 2, 3, 1)
        # Without a gate, normal patches are amplified too, so anomalous ones must differ from amplified normal
        # ones; compared with vanilla ones, the generator could change all features alike.
        kept = amplified if amplifier.gate is None else vanilla
        at, beside = _sample_indices(truth, MOST_ANOMALOUS), _sample_indices(normal, MOST_NORMAL)
        # Differences of cosines need full precision.
        with torch.autocast(features.device.type, enabled=False):
            if self.config.objective == "contrastive":
                return contrastive_loss(kept[beside].float(), amplified[at].float())
            return amplification_loss(
                amplified[at].float(),
                vanilla[at].float(),
                vanilla[beside].float(),
                self.config.margin,
                against=kept[beside].float(),
            )

    @torch.no_grad()
    def validate_amplification(self, batch: Batch) -> dict[str, float]:
        """Compute the metrics of stage I on held-out images: loss, and strength and intensity of the residual.

        The strength of a patch is |F_A - F_T| / |F_T|, with the gate's own weight; the intensity is the mean over the
        channels of the squared residual before gating (figure 8). Both are averaged over levels. A classifier adds
        none.
        """
        loss = {"loss": float(self.amplify_loss(batch))}
        if self.config.amplify == "classifier":
            return loss
        strengths, intensities = [], []
        for amplifier, features, truth, _ in self._levels(batch):
            residual = (amplifier(features) - features).norm(dim=1) / features.norm(dim=1).clamp_min(1e-6)
            strengths.append(_means(residual, truth))
            assert isinstance(amplifier, FeatureAmplifier)  # noqa: S101 - only a classifier is none
            intensities.append(_means(amplifier.residual(features).square().mean(dim=1), truth))
        measured = {"residual": strengths, "intensity of residuals": intensities}
        return loss | {
            f"{name} on {kind} patches": sum(column) / len(column)
            for name, levels in measured.items()
            for kind, column in zip(("anomalous", "normal"), zip(*levels, strict=True), strict=True)
        }

    def feature_pairs(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Amplify the teacher's features and rebuild them: (target, rebuilt), level by level."""
        with torch.no_grad():
            amplified = self.amplified(levels)
        return super().feature_pairs(amplified)

    def amplified(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Amplify vanilla features with the gates' own weights; unchanged where stage I is off."""
        if not self.amplifiers:
            return list(levels)
        return [
            amplifier(level).to(level.dtype) for amplifier, level in zip(self.amplifiers, levels, strict=True)
        ]

    def disagreement(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Compare whole maps, and the hardest patches once more (L_2)."""
        whole = super().disagreement(teacher, student)
        if not self.config.hard_patches:
            return whole
        return whole + hard_loss(teacher, student, self.config.hard_patches)

    def forward(self, images: Tensor) -> Output:
        """Score as RD does; without stage II, sum what the gates or classifiers say instead."""
        if self.config.distils:
            return super().forward(images)
        levels = zip(self.amplifiers, self.targets(images), strict=True)
        return self.fuse(images, [_map_of(amplifier, level) for amplifier, level in levels])


def _map_of(amplifier: nn.Module, features: Tensor) -> Tensor:
    """Compute how anomalous each location looks to what stage I learnt: (B, h, w)."""
    if isinstance(amplifier, FeatureAmplifier):
        return amplifier.weight(features)
    assert isinstance(amplifier, FeatureClassifier)  # noqa: S101 - there is no other
    logits: Tensor = amplifier(amplifier.adapt(features))
    return logits.float()


def with_noise(features: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """Append noisy copies, all of whose patches count as anomalous.

    Args:
        features: (B, C, h, w), normal.
        deviation: standard deviation of the Gaussian noise, in the units of the features.

    Returns:
        (2B, C, h, w), and (2B, h, w) bool, true for the noisy copies.
    """
    noisy = features + deviation * torch.randn_like(features)
    truth = torch.arange(2 * len(features), device=features.device) >= len(features)
    return torch.cat([features, noisy]), truth[:, None, None].expand(-1, *features.shape[-2:])


def covered_patches(masks: Tensor, features: Tensor) -> Tensor:
    """Tell which patches of a level are anomalous, or show the object, by a mask of either.

    Args:
        masks: (B, H, W) bool.
        features: (B, C, h, w), the level.

    Returns:
        (B, h, w) bool: the mask covers more than 0.3 of the patch.
    """
    return maps.covered(masks, (features.shape[-2], features.shape[-1])) > maps.ANOMALOUS_SHARE


def _means(values: Tensor, truth: Tensor) -> tuple[float, float]:
    """Average over anomalous patches, 0 without any, and over normal ones."""
    return float(values[truth].sum() / truth.sum().clamp_min(1)), float(values[~truth].mean())


def _sample_indices(mask: Tensor, most: int) -> tuple[Tensor, ...]:
    """Draw at most ``most`` positions where a mask is true: their indices, one tensor per dimension."""
    indices = mask.nonzero()
    if len(indices) > most:
        indices = indices[torch.randperm(len(indices))[:most].to(indices.device)]
    return indices.unbind(1)
