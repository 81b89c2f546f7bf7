"""The frozen teacher: a pretrained network that describes an image at several levels and never changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from twinspect.errors import ConfigError, TeacherError
from twinspect.teachers.feature_levels import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Card", "Level", "Teacher", "probe_levels"]

TIMM, PLUGIN = "timm", "plugin"
"""Where :attr:`Card.network` says that a network can be built again."""


@dataclass(frozen=True)
class Card:
    """All that is to be said of a teacher besides its weights; goes into a saved model as plain JSON values.

    Attributes:
        name: as typed, with the tag of its weights where the hub has them.
        network: how to build it again: ``timm:<architecture>`` or ``plugin:<name>``.
        levels: what it gives, fine to coarse.
        mean: subtracted from R, G, B in 0..1.
        std: divided by, likewise.
        input_size: side of the square images it was trained on, in pixels.
        sha256: of the weights file as given; of random weights, of the tensors.
        source: where the weights come from, for people.
        licence: of the weights, as far as known.
        multiple: both sides of an image must be multiples of this, in pixels.
        fixed: the one side it takes, in pixels; 0 if it takes any.
        notes: what was worth noting when the weights were loaded.
    """

    name: str
    network: str
    levels: tuple[Level, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_size: int
    sha256: str
    source: str
    licence: str
    multiple: int = 1
    fixed: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Card:
        """Read back what :meth:`Teacher.spec` wrote.

        Raises:
            TeacherError: fields are missing or unknown.
        """
        try:
            levels = tuple(Level(**level) for level in spec["levels"])
            lists = {key: tuple(spec[key]) for key in ("mean", "std", "notes")}
            return cls(**{**spec, **lists, "levels": levels})
        except (KeyError, TypeError) as error:
            raise TeacherError(
                f"this is no record of a teacher, or one of another twinspect: {error}"
            ) from error


@runtime_checkable
class HasClassTokens(Protocol):
    """A backbone that sums up an image itself, as vision transformers do."""

    def with_class_tokens(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Give the maps, and one (B, C) vector a level."""
        ...


class Teacher(nn.Module):
    """A frozen network that gives one feature map a level.

    It stays in evaluation mode whatever its parent does, and none of its parameters learn. Gradients still
    flow *through* it to the images, which methods that explain themselves by gradients need.

    Args:
        backbone: takes (B, 3, H, W) float32, normalised, gives one (B, C, h, w) map a level, fine to coarse.
        card: what is known of it.
    """

    def __init__(self, backbone: nn.Module, card: Card) -> None:
        super().__init__()
        self.backbone = backbone
        self.card = card
        self.name: str = card.name
        self.levels: tuple[Level, ...] = card.levels
        self.mean: tuple[float, float, float] = card.mean
        self.std: tuple[float, float, float] = card.std
        self.input_size: int = card.input_size
        self.sha256: str = card.sha256
        self.source: str = card.source
        self.licence: str = card.licence
        self.notes: tuple[str, ...] = card.notes
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Teacher:  # noqa: ARG002 - the signature of nn.Module
        """Stay in evaluation mode: a teacher never learns, and its BatchNorm statistics never move."""
        super().train(mode=False)
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe images.

        Args:
            images: (B, 3, H, W) floating point, normalised with ``mean`` and ``std``.

        Returns:
            One (B, C, h, w) map a level, fine to coarse.

        Raises:
            ConfigError: images of a shape, type or size that this network does not take.
        """
        self._check(images)
        return tuple(self.backbone(images))

    def describe(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Describe images by maps, and as a whole.

        Args:
            images: as for :meth:`forward`.

        Returns:
            The maps, and one (B, C) vector a level: a transformer's class token, elsewhere the map's mean.
        """
        self._check(images)
        return describe(self.backbone, images)

    def check_size(self, height: int, width: int) -> None:
        """Refuse an image size that the network does not take.

        Args:
            height: in pixels, as the network gets it.
            width: likewise.

        Raises:
            ConfigError: with the nearest sizes that would do.
        """
        fixed, multiple, least = self.card.fixed, self.card.multiple, self.levels[-1].reduction
        if fixed and (height, width) != (fixed, fixed):
            raise ConfigError(
                f"{self.name} takes images of {fixed}x{fixed} pixels only, got {height}x{width}"
            )
        if height % multiple or width % multiple:
            raise ConfigError(
                f"{self.name} takes sides that are multiples of {multiple} pixels, got {height}x{width}; "
                f"nearest: {_nearest(height, multiple)} high, {_nearest(width, multiple)} wide"
            )
        if min(height, width) < least:
            raise ConfigError(
                f"images of {height}x{width} pixels are too small for {self.name}: its level "
                f"{self.levels[-1].name} has one value every {least} pixels; use {least} or more, or finer "
                f"layers"
            )

    def _check(self, images: Tensor) -> None:
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # sizes are symbols there
            return
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ConfigError(
                f"a teacher takes (B, 3, H, W) float32, normalised, got {tuple(images.shape)} "
                f"{images.dtype}; for one image use images[None]"
            )
        self.check_size(images.shape[2], images.shape[3])

    def spec(self) -> dict[str, Any]:
        """Record in plain JSON values what :func:`.teacher_from_spec` needs to build this teacher without weights."""
        record = asdict(self.card)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in record.items()}


def describe(backbone: nn.Module, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Describe images by maps, and as a whole; see :meth:`Teacher.describe`."""
    if isinstance(backbone, HasClassTokens):
        return backbone.with_class_tokens(images)
    maps = tuple(backbone(images))
    return maps, tuple(level.mean((2, 3)) for level in maps)


def _nearest(side: int, multiple: int) -> str:
    below = side // multiple * multiple
    if below == side:
        return str(side)
    return f"{below} or {below + multiple}" if below else str(multiple)


def probe_levels(backbone: nn.Module, names: Sequence[str], side: int) -> tuple[Level, ...]:
    """Find out what a network gives by showing it one fixed image.

    Args:
        backbone: in evaluation mode, with its weights: whether features may be negative depends on them.
        names: of its levels, fine to coarse.
        side: of the square image, in pixels.

    Raises:
        TeacherError: it does not give one (1, C, h, w) map for each name.
    """
    image = torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = tuple(backbone(image))
    if len(maps) != len(names) or any(level.ndim != 4 for level in maps):
        shapes = [tuple(level.shape) for level in maps]
        raise TeacherError(
            f"a teacher of {len(names)} levels must give as many (B, C, h, w) maps, got {shapes}"
        )
    return tuple(
        Level(name, level.shape[1], round(side / level.shape[2]), bool(level.min() < 0))
        for name, level in zip(names, maps, strict=True)
    )
