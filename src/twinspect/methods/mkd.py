"""MKD: Multiresolution Knowledge Distillation (Salehi et al., CVPR 2021, arXiv 2011.11108).

A frozen expert is distilled at several depths into a smaller cloner that only ever sees good images. The image
score is how much the two disagree; the map says where, either from the gradient of that disagreement with
respect to the image (the paper) or from the disagreement at each location (ours; needs no backward pass).
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.losses import direction_loss, value_loss
from twinspect.methods.networks.cloner import Cloner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.teachers.base import Teacher

LEAST_SPREAD = 1 / 255
"""Smallest range of an image that smoothgrad's noise is divided by."""


@dataclass(frozen=True)
class MKDConfig(MethodConfig):
    """Settings of MKD; the defaults are the authors' for MVTec AD unless a field says otherwise.

    The preset ``paper`` is their experiment on MVTec AD; the others have their settings for other images, and the
    default teacher.
    """

    PAPER_TEACHER: ClassVar[str] = "vgg16"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "size": 128,
            "normalize": False,
            "epochs": 600,
            "value_weight": 0.5,
            "localization": "gradient",
            "smoothgrad": "paper",
        },
        "mvtec": {
            "size": 128,
            "normalize": False,
            "epochs": 600,
            "value_weight": 0.5,
            "localization": "gradient",
            "smoothgrad": "paper",
        },
        "medical": {"size": 128, "normalize": False, "epochs": 600, "value_weight": 0.01},
        "mnist": {"size": 32, "normalize": False, "epochs": 50, "value_weight": 0.01},
        "cifar10": {"size": 256, "crop": 224, "epochs": 200, "value_weight": 0.01},
    }

    RANGES: ClassVar[dict[str, str]] = {
        "value_weight": "[0, inf)",
        "score_layers": "[1, inf)",
        "smoothgrad_samples": "[1, inf)",
        "smoothgrad_noise": "[0, inf)",
        "sigma": "[0, 10000]",
        "opening": "[1, inf)",
    }

    size: int | str = 128
    """side of the square that the teacher sees, in pixels; a multiple of the coarsest stride"""
    steps: int = 2400
    """optimiser steps; the authors' 600 epochs of an MVTec category (about four batches) at any number of
    images; ignored where epochs is given"""
    batch_size: int = 64
    """images in an optimiser step"""
    cloner: Literal["small", "equal"] = "small"
    """small: narrow except at the critical layers; equal: as wide as the teacher throughout (an ablation)"""
    loss: Literal["both", "direction", "value"] = "both"
    """what is compared at a critical layer: direction and value, or one of them (ablations)"""
    value_weight: float = 0.5
    """weight of the value loss against the direction loss (lambda)"""
    critical: Literal["all", "last"] = "all"
    """which of the teacher's levels are distilled: all, or only the last (an ablation)"""
    score_layers: int = 3
    """how many of the coarsest critical layers make up the image score"""
    localization: Literal["activation", "gradient", "smoothgrad", "guided"] = "activation"
    """how the map is made: activation (ours, no backward pass, the one that is exported), or from the
    gradient of the score as in the paper: plain, averaged over noisy copies, or guided through the ReLUs"""
    smoothgrad: Literal["gradients", "paper"] = "gradients"
    """what smoothgrad averages: the gradients of the noisy copies (ours); or, as the authors do, their maps, each
    clipped and rescaled, with far less noise: the square of smoothgrad_noise divided by the image's range"""
    smoothgrad_samples: int = 50
    """noisy copies of an image for smoothgrad"""
    smoothgrad_noise: float = 0.05
    """standard deviation of that noise, as a share of the image's range"""
    rescale: bool = True
    """clip each gradient map at its 99th percentile and rescale it to 0..1, as the authors do; off keeps raw
    gradients, so that maps of different images can be compared"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""
    opening: int = 3
    """side of the square of the morphological opening of gradient maps, in pixels; 1 is none (side: ours)"""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.opening % 2 == 0:
            raise ConfigError(f"opening must be odd, got {self.opening}")


class MKD(Method[MKDConfig]):
    """A teacher and its cloner."""

    Config = MKDConfig

    def __init__(self, teacher: Teacher, config: MKDConfig) -> None:
        super().__init__(teacher, config)
        self._critical = slice(-1, None) if config.critical == "last" else slice(None)
        self.cloner = Cloner(teacher.levels[self._critical], equal=config.cloner == "equal")

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes at which the cloner's poolings and the teacher's strides round differently."""
        coarsest = self.teacher.levels[-1].reduction
        if height % coarsest or width % coarsest:
            near = [max(1, round(side / coarsest)) * coarsest for side in (height, width)]
            raise ConfigError(
                f"mkd with {self.teacher.name} needs a size that is a multiple of {coarsest}, got "
                f"{height}x{width}; type: --size {near[0]}"
            )

    def check_tiles(self) -> None:
        """Refuse maps that are rescaled to their own range: those of clean and defective tiles would look alike."""
        if self.config.localization != "activation" and self.config.rescale:
            raise ConfigError(
                f"the map of {self.config.localization!r} is rescaled to [0, 1] by itself, so tiles could not be "
                "compared; type: --rescale off, or leave --tile out"
            )

    def stages(self) -> tuple[Stage, ...]:
        """Train the cloner with Adam."""
        optimizer = partial(torch.optim.Adam, lr=self.config.learning_rate, fused=True)
        return (Stage.of(self.config, LAST_STAGE, (self.cloner,), optimizer, self.loss),)

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the teacher's critical layers."""
        return super().targets(images)[self._critical]

    def loss(self, batch: Batch) -> Tensor:
        """Average the disagreement over the batch (section 3.2, all critical layers)."""
        return self.disagreement(batch.targets, self.cloner(batch.images), batch.inside).mean()

    def forward(self, images: Tensor) -> Output:
        """Score images and locate what is anomalous in them."""
        if self.config.localization == "activation":
            return self._by_activation(images)
        # Gradients are needed even where the caller disabled them for speed.
        with torch.inference_mode(mode=False), torch.enable_grad():
            return self._by_gradient(images.clone())

    def exportable(self) -> tuple[MKD, str]:
        """Return a variant that locates by activations, which needs no gradient; the score is the same."""
        if self.config.localization == "activation":
            return self, ""
        variant = copy(self)
        variant.config = replace(self.config, localization="activation")
        return variant, (
            f"the map is the activation map; {self.config.localization}, which the model itself uses, needs "
            "gradients, and exported graphs have none; scores are the same"
        )

    def disagreement(
        self, teacher: Sequence[Tensor], student: Sequence[Tensor], inside: Tensor | None = None
    ) -> Tensor:
        """L_dir + lambda L_val, summed over critical layers, for each image: (B,).

        Of a region of interest, (B, H, W) bool, both losses weigh every place by its share of the region.
        """
        total = teacher[0].new_zeros(teacher[0].shape[0])
        for target, imitation in zip(teacher, student, strict=True):
            imitated = imitation.to(target.dtype)
            shares = (
                None if inside is None else maps.share_inside(inside, (target.shape[-2], target.shape[-1]))
            )
            if self.config.loss != "value":
                total = total + direction_loss(*weighted((target, imitated), shares))
            if self.config.loss != "direction":
                weight = 1.0 if self.config.loss == "value" else self.config.value_weight
                of_places = value_loss(*weighted((target, imitated), shares))
                total = total + weight * (
                    of_places if shares is None else of_places / shares.mean(dim=(1, 2))
                )
        return total

    def _score(
        self, teacher: Sequence[Tensor], student: Sequence[Tensor], inside: Tensor | None = None
    ) -> Tensor:
        """Add up the disagreement of the coarsest critical layers only: (B,)."""
        coarse = slice(-self.config.score_layers, None)
        return self.disagreement(teacher[coarse], student[coarse], inside)

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Compare teacher and cloner once more where they are in a region; see :meth:`disagreement`."""
        if inside is None:
            return super().image_score(output)
        levels = len(output.context) // 2
        return self._score(output.context[:levels], output.context[levels:], inside)

    def _by_activation(self, images: Tensor) -> Output:
        teacher, student = self.targets(images), self.cloner(images)
        levels = [maps.cosine_map(t, s.to(t.dtype)) for t, s in zip(teacher, student, strict=True)]
        height, width = images.shape[-2:]
        fused = maps.fuse(levels, (height, width), self.config.sigma)
        return Output(fused, self._score(teacher, student), (*teacher, *student))

    def _by_gradient(self, images: Tensor) -> Output:
        teacher, student = self.targets(images), self.cloner(images)
        score = self._score(teacher, student).detach()
        levels = (level.detach() for level in (*teacher, *student))
        blurred = maps.gaussian_blur(self._saliency(images), self.config.sigma)
        return Output(maps.opening(blurred, self.config.opening), score, tuple(levels))

    def _saliency(self, images: Tensor) -> Tensor:
        """Say how much each pixel changes the score: (B, H, W), in [0, 1] where it is rescaled."""
        if self.config.localization == "smoothgrad":
            return self._smooth_saliency(images)
        with _guided(self.cloner) if self.config.localization == "guided" else nullcontext():
            return self._rescaled(maps.saliency(self._gradient(images)))

    def _smooth_saliency(self, images: Tensor) -> Tensor:
        """Average over noisy copies, one copy of the whole batch at a time."""
        samples = self.config.smoothgrad_samples
        gradients = (self._gradient(noisy) for noisy in self._noisy_copies(images))
        if self.config.smoothgrad == "gradients":
            return self._rescaled(maps.saliency(_sum(gradients) / samples))
        mean = _sum(self._rescaled(maps.saliency(gradient)) for gradient in gradients) / samples
        return maps.clip_and_rescale(mean, percentile=100) if self.config.rescale else mean

    def _rescaled(self, anomaly_map: Tensor) -> Tensor:
        return maps.clip_and_rescale(anomaly_map) if self.config.rescale else anomaly_map

    def _gradient(self, images: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        score = self._score(self.targets(images), self.cloner(images))
        return torch.autograd.grad(score.sum(), images)[0]

    def _noisy_copies(self, images: Tensor) -> Iterator[Tensor]:
        """Yield copies of the images with noise.

        It is drawn from a fixed seed and shared by all images, so that an image's map depends only on the image.
        """
        generator = torch.Generator().manual_seed(0)
        spread = images.amax(dim=(1, 2, 3), keepdim=True) - images.amin(dim=(1, 2, 3), keepdim=True)
        deviation = self.config.smoothgrad_noise * spread
        if self.config.smoothgrad == "paper":
            deviation = (self.config.smoothgrad_noise / spread.clamp_min(LEAST_SPREAD)).square()
        for _ in range(self.config.smoothgrad_samples):
            yield images + deviation * torch.randn(images.shape[1:], generator=generator).to(images)


def weighted(pair: tuple[Tensor, Tensor], shares: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weigh the places of two levels, (B, C, h, w), so that those of sums of their squares are the shares given."""
    if shares is None:
        return pair
    roots = shares.sqrt()[:, None]
    return pair[0] * roots, pair[1] * roots


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    """Add up tensors without keeping them."""
    return reduce(torch.add, tensors)


@contextmanager
def _guided(cloner: nn.Module) -> Iterator[None]:
    """Let only positive gradients pass backwards through the ReLUs (guided back-propagation)."""

    def keep_positive(_module: nn.Module, gradients: Any, _outgoing: Any) -> tuple[Tensor, ...]:
        return tuple(gradient.clamp(min=0) for gradient in gradients)

    relus = [module for module in cloner.modules() if isinstance(module, nn.ReLU)]
    hooks = [relu.register_full_backward_hook(keep_positive) for relu in relus]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
