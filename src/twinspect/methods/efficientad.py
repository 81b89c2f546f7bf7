"""EfficientAD (Batzner et al., WACV 2024, arXiv 2303.14535): a student of patches and an autoencoder of whole images.

The student imitates a teacher patch by patch and fails on patches that no good image has. The autoencoder, which sees
the image through one vector, knows how good images are arranged; the student imitates it too, and fails where an
image is arranged in another way. Either disagreement, scaled by good images that were held out, is half of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage, a_tenth
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.losses import agreeing_outside, hard_feature_loss, values_inside
from twinspect.methods.networks.image_autoencoder import HALVINGS, ImageAutoencoder
from twinspect.methods.networks.moments import channel_statistics
from twinspect.methods.networks.patch_features import rows_inside
from twinspect.methods.networks.resizing import resized
from twinspect.synthesis import FolderTextures, PatternTextures
from twinspect.teachers.pdn.network import PatchDescriptionNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.synthesis import Textures
    from twinspect.teachers.base import Teacher

NORMALISE = "normalise"
"""The stage that measures the teacher's channels."""
DECAY, DECAYED_AT = 0.1, 0.95
"""The step size is multiplied by the first once the second, a share of the training, is done."""
QUANTILES = (0.9, 0.995)
"""Of each map on held-out good images: they become 0 and :data:`AT_HIGH`."""
AT_HIGH = 0.1
NARROWEST = 0.1
"""Minimum deviation of a channel, as a share of the mean one (ours)."""
LEAST = 1e-6
"""Absolute minimum of a deviation or of a difference that is divided by."""
HALVES = 2
"""Of the student's channels, and of the map."""
GREY = (0.299, 0.587, 0.114)
"""Weights of R, G and B in a grey image."""


@dataclass(frozen=True)
class EfficientADConfig(MethodConfig):
    """Settings of EfficientAD; the defaults are quick ones for a CPU, and the preset ``paper`` is the authors'."""

    PAPER_TEACHER: ClassVar[str] = "pdn_small"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 256, "steps": 70_000, "batch_size": 1, "learning_rate": 1e-4, "width": 1.0},
    }

    RANGES: ClassVar[dict[str, str]] = {
        "weight_decay": "[0, inf)",
        "width": "(0, 1]",
        "hard_quantile": "[0, 1)",
        "jitter": "[0, 1)",
    }

    size: int | str = 128
    """side of the square that the networks see, in pixels; 32 or more"""
    steps: int = 400
    """optimiser steps (ours; the authors take 70 000); ignored where epochs is given"""
    batch_size: int = 2
    """images in an optimiser step"""
    learning_rate: float = 1e-3
    """step size of Adam"""
    weight_decay: float = 1e-5
    """Adam's weight decay"""
    student: Literal["teacher", "small", "medium"] = "teacher"
    """the student's network: as large as a teacher pdn_small or pdn_medium, and small beside others (ours); or
    the one that is named"""
    width: float = 0.5
    """inner channels of the student's network, as a share of the paper's (ours)"""
    hard_quantile: float = 0.999
    """quantile of a student's squared differences to its teacher above which they count in its loss"""
    photographs: str = ""
    """folder of photographs of anything, such as ImageNet, on which the student must not imitate the teacher; empty:
    drawn patterns (ours)"""
    jitter: float = 0.2
    """by what share brightness, contrast or saturation of the autoencoder's image changes at most"""

    def held_out(self, images: Iterable[int]) -> dict[str, int]:
        """Count the training images that maps are measured on."""
        return {LAST_STAGE: sum(map(a_tenth, images))}


class EfficientAD(Method[EfficientADConfig]):
    """A teacher, an autoencoder of whole images, and a student that imitates both."""

    Config = EfficientADConfig

    means: Tensor
    deviations: Tensor
    quantiles: Tensor

    def __init__(self, teacher: Teacher, config: EfficientADConfig) -> None:
        super().__init__(teacher, config)
        channels = sum(level.channels for level in teacher.levels)
        size = config.student
        if size == "teacher":
            size = "medium" if teacher.name == "pdn_medium" else "small"
        self.student = PatchDescriptionNetwork(size, HALVES * channels, config.width)
        self.check_size(*config.input_sides)
        self.autoencoder = ImageAutoencoder(*config.input_sides, channels)
        self.register_buffer("means", torch.zeros(channels, 1, 1))
        self.register_buffer("deviations", torch.ones(channels, 1, 1))
        self.register_buffer("quantiles", torch.tensor([[0.0, 1.0]] * HALVES))

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes of which the autoencoder's halvings leave nothing."""
        least = 1 << HALVINGS
        if min(height, width) < least:
            option = "crop" if self.config.crop else "size"
            raise ConfigError(
                f"efficientad needs a size of {least} or more, got {height}x{width}; type: --{option} {least}"
            )

    def stages(self) -> tuple[Stage, ...]:
        """Measure the teacher's channels, then train student and autoencoder."""
        config = self.config
        rate, decay = config.learning_rate, config.weight_decay
        optimizer = partial(torch.optim.Adam, lr=rate, weight_decay=decay, fused=True)
        return (
            Stage.gathering(config, NORMALISE, self.gather),
            Stage(
                name=LAST_STAGE,
                trained=(self.student, self.autoencoder),
                optimizer=optimizer,
                loss=self.loss,
                steps=config.steps,
                epochs=config.epochs,
                batch_size=config.batch_size,
                rate=dropped_at_the_end,
                measure=self.measure,
                held_out=a_tenth,
            ),
        )

    def update_stages(self, absent: int) -> tuple[Stage, ...]:  # noqa: ARG002 - nothing is gathered
        """Train both again; the teacher's channels stay on the scale that the student has learnt."""
        return self.stages()[1:]

    def gather(self, batches: Iterable[Batch]) -> None:
        """Measure mean and deviation of the teacher's channels over all training images."""
        _photographs(self.config.photographs)  # a folder that is not there is named before anything is learnt
        features = (
            rows_inside(self._joined(batch.targets, batch.images), batch.inside).cpu() for batch in batches
        )
        # The authors' own teachers have no channels that hardly vary.
        mean, deviation = channel_statistics(features, NARROWEST, LEAST)
        self.means.copy_(mean[..., None, None])
        self.deviations.copy_(deviation[..., None, None])

    def loss(self, batch: Batch) -> Tensor:
        """Add up what student and autoencoder learn: L_ST with its penalty, L_AE and L_STAE (algorithm 1)."""
        normal = self.normalised(batch.targets, batch.images)
        imitation, _ = self._imitations(batch.images)
        elsewhere, _ = self._imitations(self._elsewhere(batch.images.float()))
        changed = self._jittered(batch.images.float())
        arrangement = self.normalised(self._teach(changed), changed)
        rebuilt = self._rebuilt(changed)
        _, mimicry = self._imitations(changed)
        imitation = agreeing_outside(normal, imitation, batch.inside)
        return (
            hard_feature_loss(normal, imitation, self.config.hard_quantile).mean()
            + elsewhere.square().mean()
            + functional.mse_loss(agreeing_outside(arrangement, rebuilt, batch.inside), arrangement)
            + functional.mse_loss(agreeing_outside(rebuilt, mimicry, batch.inside), rebuilt)
        )

    def forward(self, images: Tensor) -> Output:
        """Add up the two maps, scaled by those of held-out good images; the image score is the peak."""
        pairs = zip(self._differences(images, self.targets(images)), self.quantiles, strict=True)
        scaled = [AT_HIGH * (each - low) / (high - low) / HALVES for each, (low, high) in pairs]
        return Output(maps.enlarge(torch.stack(scaled).sum(dim=0), (images.shape[-2], images.shape[-1])))

    def measure(self, batches: Sequence[Batch]) -> None:
        """Measure the quantiles of both maps on held-out good images."""
        found = [
            [values_inside(part, batch.inside) for part in self._differences(batch.images, batch.targets)]
            for batch in batches
        ]
        for number, parts in enumerate(zip(*found, strict=True)):
            values = np.concatenate([part.cpu().numpy() for part in parts])
            low, high = np.quantile(values, QUANTILES)  # of any number of values, unlike torch's
            self.quantiles[number] = torch.tensor([low, max(high, low + LEAST)])

    def _differences(self, images: Tensor, targets: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Compare student and teacher, student and autoencoder: (B, h, w) each."""
        imitation, mimicry = self._imitations(images)
        teacher = self.normalised(targets, images)
        rebuilt = self._rebuilt(images)
        return (teacher - imitation).square().mean(dim=1), (rebuilt - mimicry).square().mean(dim=1)

    def _imitations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Let the student imitate the teacher and the autoencoder: (B, C, h, w) each."""
        imitation, mimicry = self.student(images)[0].float().chunk(HALVES, dim=1)
        return imitation, mimicry

    def _rebuilt(self, images: Tensor) -> Tensor:
        rebuilt: Tensor = self.autoencoder(images, self._grid(images)).float()
        return rebuilt

    def normalised(self, levels: Sequence[Tensor], images: Tensor) -> Tensor:
        """Join a teacher's levels at the student's locations, every channel with mean 0 and deviation 1."""
        return (self._joined(levels, images) - self.means) / self.deviations

    def _joined(self, levels: Sequence[Tensor], images: Tensor) -> Tensor:
        size = self._grid(images)
        return torch.cat([resized(level.float(), size) for level in levels], dim=1)

    @staticmethod
    def _grid(images: Tensor) -> tuple[int, int]:
        """Count the locations that the student describes, down and across."""
        height, width = images.shape[-2:]
        return PatchDescriptionNetwork.locations(height), PatchDescriptionNetwork.locations(width)

    @torch.no_grad()
    def _teach(self, images: Tensor) -> tuple[Tensor, ...]:
        return super().targets(images)

    def _elsewhere(self, images: Tensor) -> Tensor:
        """Draw as many other photographs, or patterns: (B, 3, H, W) normalised."""
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        source, size = _photographs(self.config.photographs), (images.shape[-2], images.shape[-1])
        drawn = np.stack([source.draw(random, size) for _ in images])
        colours = torch.from_numpy(drawn).permute(0, 3, 1, 2).to(images) / 255
        return self._from_colours(colours).contiguous(memory_format=torch.channels_last)

    def _jittered(self, images: Tensor) -> Tensor:
        """Change brightness, contrast or saturation of each image (section 3.3)."""
        mean, deviation = self._colour_scale(images)
        return self._from_colours(jittered(images * deviation + mean, self.config.jitter))

    def _from_colours(self, colours: Tensor) -> Tensor:
        mean, deviation = self._colour_scale(colours)
        return (colours - mean) / deviation

    def _colour_scale(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the input's R, G and B are normalised by, as :class:`.Preprocessing` does."""
        if not self.config.normalize:
            return images.new_zeros(3, 1, 1), images.new_ones(3, 1, 1)
        scale = images.new_tensor([self.teacher.mean, self.teacher.std])[..., None, None]
        return scale[0], scale[1]


def dropped_at_the_end(done: float) -> float:
    """Return the factor of the step size by the share of the training done."""
    return DECAY if done >= DECAYED_AT else 1.0


def jittered(colours: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast or saturation of each image, one of the three by a random factor.

    Args:
        colours: (B, 3, H, W) in 0..1.
        strength: factors are from 1 - strength to 1 + strength.

    Returns:
        Of the same shape, in 0..1.
    """
    grey = (colours * colours.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)
    # What becomes of an image as the factor goes to 0: black, its mean grey, or a grey image.
    limits = (torch.zeros_like(grey), grey.mean((2, 3), keepdim=True).expand_as(grey), grey)
    chosen = torch.randint(len(limits), (len(colours),)).to(colours.device)
    limit = torch.stack(limits)[chosen, torch.arange(len(colours), device=colours.device)]
    factors = (1 + strength * (2 * torch.rand(len(colours), 1, 1, 1) - 1)).to(colours)
    return limit.lerp(colours, factors).clamp(0, 1)


@lru_cache(maxsize=2)
def _photographs(folder: str) -> Textures:
    return FolderTextures(folder) if folder else PatternTextures()
