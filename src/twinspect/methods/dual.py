"""Dual heterogeneous students (Park, Seo & Kim 2025, arXiv 2509.24448): defects and meaning in one model.

One teacher pass feeds two students that fail in different ways. The local one, an encoder-decoder, rebuilds the
teacher's patch features and cannot rebuild a defect; the semantic one, an encoder of the teacher's architecture
trained from scratch, replicates only the teacher's description of the whole image, and cannot do so for a class of
objects that it never saw. Noisy-OR joins them. Choices that the paper leaves open are marked "ours" in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.losses import agreeing_outside, direction_loss, noisy_or_loss, relaxed_loss
from twinspect.methods.networks.branch_normalizer import BranchNormalizer, image_descriptor
from twinspect.methods.networks.token_decoder import TokenStudent, middle_blocks, split_into_groups
from twinspect.methods.rd import Student, check_halving
from twinspect.methods.schedules import warm_cosine
from twinspect.methods.stable_adamw import StableAdamW
from twinspect.teachers.base import HasClassTokens, describe
from twinspect.teachers.rebuilding import sibling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.teachers.base import Teacher

MIN_MEASURED = 8
"""Minimum of images to measure the branches' scores on, unless this exceeds a third of all (ours)."""


@dataclass(frozen=True)
class DualConfig(MethodConfig):
    """Settings of the dual students.

    Of the preset ``paper``, the abstract fixes the teacher (a frozen DINOv2), both students and their Noisy-OR. Ours,
    after Dinomaly (arXiv 2405.14325), are its size, crop, number of steps, step size, and which DINOv2 it is.
    """

    TEACHERS: ClassVar[tuple[str, str]] = ("resnet18", "vit_base_patch14_reg4_dinov2.lvd142m")
    PAPER_TEACHER: ClassVar[str] = "vit_base_patch14_reg4_dinov2.lvd142m"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 448, "crop": 392, "steps": 10_000, "learning_rate": 2e-3},
        "dinomaly": {"size": 448, "crop": 392, "steps": 10_000, "learning_rate": 2e-3},
        "local": {"branch": "local"},
        "semantic": {"branch": "semantic"},
    }
    EARLIER: ClassVar[dict[str, Any]] = {"blocks": "mirror", "logarithm": False}

    RANGES: ClassVar[dict[str, str]] = {
        "weight_decay": "[0, inf)",
        "warmup": "[0, 1]",
        "last_rate": "[0, 1]",
        "clip": "[0, inf)",
        "local_levels": "[1, inf)",
        "semantic_levels": "[1, inf)",
        "dropout": "[0, 1)",
        "easy_share": "[0, 1]",
        "easy_weight": "[0, 1]",
        "easy_warmup": "[0, 1]",
        "top_share": "[0, 1]",
        "sigma": "[0, 10000]",
    }

    size: int | str = 224
    """side of the square that the teacher sees, in pixels: a multiple of a transformer's patch, and of twice the
    coarsest stride of a convolutional teacher"""
    steps: int = 400
    """optimiser steps (ours)"""
    branch: Literal["both", "local", "semantic"] = "both"
    """which students are trained and score (the paper's ablation); the map of the semantic one alone is its score"""
    optimizer: Literal["stable_adamw", "adamw"] = "stable_adamw"
    """AdamW, or its variant that shortens a step after a sudden large gradient (ours)"""
    learning_rate: float = 2e-3
    """step size after the warm-up (ours)"""
    weight_decay: float = 1e-4
    """share of a weight that is subtracted in a step, times the step size (ours)"""
    warmup: float = 0.05
    """share of the training in which the step size rises to its full value; then it decays as a cosine (ours)"""
    last_rate: float = 0.1
    """step size at the end, as a share of the full one (ours)"""
    clip: float = 0.1
    """maximum norm of the gradient of each student's weights; 0 does not clip (ours)"""
    local_levels: int = 8
    """first levels of a transformer that the local student rebuilds, in two groups (ours)"""
    semantic_levels: int = 4
    """last levels whose class tokens the semantic student replicates (ours)"""
    dropout: float = 0.2
    """share of values dropped in the local student's bottleneck, transformers only (ours)"""
    attention: Literal["linear", "softmax"] = "linear"
    """attention of the local student's decoder, transformers only (ours)"""
    easy_share: float = 0.9
    """share of locations, those rebuilt best, whose gradient is scaled down (ours)"""
    easy_weight: float = 0.1
    """factor of their gradient; 1 switches this off (ours)"""
    easy_warmup: float = 0.1
    """share of the training in which the share of such locations rises from 0 (ours)"""
    top_share: float = 0.01
    """share of the map, its highest values, whose mean is the local score (ours)"""
    tail: Literal["student", "normal", "logistic"] = "student"
    """distribution that turns a branch's score into a probability: Student's t, which allows for the number of images
    that it was measured on, normal, or logistic (ours)"""
    logarithm: bool = True
    """fit that distribution to the logarithms of the scores, which are skewed to the right (ours)"""
    join: Literal["noisy_or", "larger"] = "noisy_or"
    """how the branches' scores, each seen through its distribution, become one: Noisy-OR, or the larger of the two"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""
    blocks: Literal["authors", "mirror"] = "authors"
    """residual blocks of the local student, convolutional teachers only: as many as RD's authors have, or those of
    the teacher in reverse, as in models of earlier versions"""

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that the branches' scores are measured on."""
        return {LAST_STAGE: sum(map(a_fifth, images))} if self.branch == "both" else {}


class Dual(Method[DualConfig]):
    """A teacher, and one or both of the students."""

    Config = DualConfig

    def __init__(self, teacher: Teacher, config: DualConfig) -> None:
        super().__init__(teacher, config)
        self.has_tokens = isinstance(teacher.backbone, HasClassTokens)
        self.students = nn.ModuleDict()
        self._maps = 0 if config.branch == "semantic" else self._count_maps()
        if config.branch != "semantic":
            self.students["local"] = self._local_student()
        if config.branch != "local":
            names = [level.name for level in teacher.levels[-config.semantic_levels :]]
            # A drawn seed follows the training's seed and does not repeat the weights of a random teacher.
            self.students["semantic"] = sibling(teacher, names, seed=int(torch.randint(2**31, ())))
        self.spreads = BranchNormalizer(
            len(self.students), config.tail, logarithm=config.logarithm, join=config.join
        )

    def _count_maps(self) -> int:
        levels = self.teacher.levels
        return len(split_into_groups(levels[: self.config.local_levels])) if self.has_tokens else len(levels)

    def _local_student(self) -> nn.Module:
        if not self.has_tokens:
            return Student(self.teacher, self.config.blocks)
        levels = self.teacher.levels[: self.config.local_levels]
        widths = {level.channels for level in levels}
        if len(widths) > 1:
            raise ConfigError(
                f"dual averages the blocks of a transformer and needs them equally wide; {self.teacher.name} has "
                f"widths {', '.join(map(str, sorted(widths)))}"
            )
        linear = self.config.attention == "linear"
        return TokenStudent(widths.pop(), self._maps, len(levels), dropout=self.config.dropout, linear=linear)

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:
        """Take a transformer's middle blocks for the local student, and its last ones for the semantic one."""
        from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

        blocks = backbones.blocks_of(teacher)
        if not blocks:
            return None
        local, semantic = DualConfig.local_levels, DualConfig.semantic_levels
        last = range(max(0, blocks - semantic), blocks)
        return tuple(sorted({*middle_blocks(blocks, local), *last}))

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes that a convolutional decoder cannot rebuild; a transformer teacher checks its own sizes."""
        if not self.has_tokens and "local" in self.students:
            check_halving("dual", self.teacher, height, width, is_cropped=self.config.crop > 0)

    def stages(self) -> tuple[Stage, ...]:
        """Train both students together."""
        config = self.config
        return (
            Stage(
                name=LAST_STAGE,
                trained=tuple(self.students.values()),
                optimizer=self._optimizer,
                loss=self.loss,
                steps=config.steps,
                epochs=config.epochs,
                batch_size=config.batch_size,
                rate=partial(warm_cosine, warm=config.warmup, last=config.last_rate),
                measure=self.measure if len(self.students) > 1 else None,
                held_out=a_fifth,
                clip=config.clip,
            ),
        )

    def _optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        if self.config.optimizer == "adamw":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        return StableAdamW(parameters, lr=rate, weight_decay=decay)

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the teacher once: (B, C, h, w) maps for the local student, then (B, C, 1, 1) class tokens."""
        levels, tokens = self.teacher.describe(images)
        local = self._average_groups(levels) if "local" in self.students else ()
        class_tokens = tokens[-self.config.semantic_levels :] if "semantic" in self.students else ()
        return (*local, *(token[..., None, None] for token in class_tokens))

    def _average_groups(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Average a transformer's levels in groups, shallow to deep; those of other teachers stay unchanged."""
        if not self.has_tokens:
            return tuple(levels)
        return tuple(
            torch.stack(tuple(group)).mean(dim=0)
            for group in split_into_groups(levels[: self.config.local_levels])
        )

    def loss(self, batch: Batch) -> Tensor:
        """Minimise the Noisy-OR probability that these good images are anomalous."""
        distances = []
        if "local" in self.students:
            distances.append(self._local_distance(batch))
        if "semantic" in self.students:
            distances.append(self._semantic_distance(batch.images, batch.targets) / 2)
        return noisy_or_loss(distances)

    def _local_distance(self, batch: Batch) -> Tensor:
        """Compute L_SD / 2, in [0, 1], (B,)."""
        share = self.config.easy_share * _warmup_factor(batch.done, self.config.easy_warmup)
        compare = partial(relaxed_loss, easy_share=share, easy_weight=self.config.easy_weight)
        pairs = [(t, agreeing_outside(t, s, batch.inside)) for t, s in self._local_pairs(batch.targets)]
        return torch.stack([compare(t, s) for t, s in pairs]).mean(dim=0) / 2

    def _local_pairs(self, targets: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        levels = targets[: self._maps]
        rebuilt = self.students["local"](levels)
        return [(level, twin.to(level.dtype)) for level, twin in zip(levels, rebuilt, strict=True)]

    def _tokens(self, targets: Sequence[Tensor]) -> list[Tensor]:
        return [target.flatten(1) for target in targets[self._maps :]]

    def image_descriptor(self, targets: Sequence[Tensor]) -> Tensor:
        """Describe what images show by the teacher's class tokens: (B, D)."""
        return image_descriptor(self._tokens(targets))

    def _semantic_distance(self, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Average 1 - cos(class token of the teacher, of the student) over levels: (B,) in [0, 2]."""
        _, tokens = describe(self.students["semantic"], images)
        pairs = zip(self._tokens(targets), tokens, strict=True)
        distances = [direction_loss(t, s.to(t.dtype)) for t, s in pairs]
        return torch.stack(distances).mean(dim=0)

    def forward(self, images: Tensor) -> Output:
        """Map the local branch's distances; the semantic branch scores whole images."""
        return self._compare(images, self.targets(images))

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the local branch's score."""
        return self.config.top_share

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Join the branches where there are two; a region confines the local one."""
        if output.score is not None:
            return output.score
        if not output.context:
            return super().image_score(output, inside)
        score: Tensor = self.spreads(self.branch_scores(output, inside), output.context[1])
        return score

    def check_region(self, *, blank: bool) -> None:
        """Refuse a region where the semantic branch would see the rest of the image."""
        if "semantic" in self.students and not blank:
            raise ConfigError(
                "the semantic branch of dual scores an image as a whole, so it looks at a region of interest only "
                "where the rest is painted over; type: --roi-blank, or --branch local"
            )

    def _compare(self, images: Tensor, targets: Sequence[Tensor]) -> Output:
        """Compute the map; with both branches also the semantic score (B,) and each image's descriptor (B, D)."""
        size = (images.shape[-2], images.shape[-1])
        if "local" not in self.students:
            score = self._semantic_distance(images, targets)
            return Output(score[:, None, None].expand(-1, *size), score)
        distances = [maps.cosine_map(t, s) for t, s in self._local_pairs(targets)]
        local = maps.fuse(distances, size, self.config.sigma)
        if "semantic" not in self.students:
            return Output(local)
        return Output(
            local, context=(self._semantic_distance(images, targets), self.image_descriptor(targets))
        )

    def branch_scores(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Return the raw scores of the two branches, (B, 2), local first."""
        return torch.stack([super().image_score(output, inside), output.context[0]], dim=1)

    def measure(self, batches: Sequence[Batch]) -> None:
        """Measure each branch's scores on held-out good images of each category (ours)."""
        outputs = [self._compare(batch.images, batch.targets) for batch in batches]
        pairs = zip(outputs, batches, strict=True)
        scores = torch.cat([self.branch_scores(output, batch.inside) for output, batch in pairs])
        descriptors = torch.cat([self.image_descriptor(batch.targets) for batch in batches])
        categories = torch.cat([batch.kinds for batch in batches if batch.kinds is not None])
        self.spreads.measure(scores, descriptors, categories)


def a_fifth(images: int) -> int:
    """Return the number of held-out training images: a fifth, at least eight, at most a third; at least one."""
    return max(1, images // 5, min(MIN_MEASURED, images // 3))


def _warmup_factor(done: float, warm: float) -> float:
    return min(1.0, done / warm) if warm else 1.0
