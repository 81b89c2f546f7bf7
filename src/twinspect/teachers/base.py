"""The frozen teacher: a pretrained network that describes an image at several levels."""

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
"""Prefixes of :attr:`Card.network`: who builds the network."""


@dataclass(frozen=True)
class Card:
    """Description of a teacher without its weights; saved in a model as plain JSON values.

    Attributes:
        name: as given by the user, with the tag of its weights if they are from the hub.
        network: how to rebuild it: ``timm:<architecture>`` or ``plugin:<name>``.
        levels: its feature maps, fine to coarse.
        mean: subtracted from R, G, B in 0..1.
        std: divisor of R, G, B after that.
        input_size: side of the square images it was trained on, in pixels.
        sha256: of the weights file as given; of random weights, of the tensors.
        source: where the weights come from, in words.
        licence: of the weights, as far as known.
        multiple: both sides of an image must be multiples of this, in pixels.
        fixed: the only side it accepts, in pixels; 0 if it accepts any.
        notes: remarks from loading the weights.
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
        """Rebuild a card from :meth:`Teacher.spec`.

        Raises:
            TeacherError: fields are missing or unknown.
        """
        try:
            levels = tuple(Level(**level) for level in spec["levels"])
            lists = {key: tuple(spec[key]) for key in ("mean", "std", "notes")}
            return cls(**{**spec, **lists, "levels": levels})
        except (KeyError, TypeError) as error:
            raise TeacherError(
                f"this is not a record of a teacher, or it is from another version of twinspect: {error}"
            ) from error


@runtime_checkable
class HasClassTokens(Protocol):
    """A backbone with class tokens, such as a vision transformer."""

    def with_class_tokens(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the maps, and one (B, C) vector per level."""
        ...


@runtime_checkable
class HasPrefixTokens(Protocol):
    """A backbone with tokens that stand for no patch of the image, such as a class token and registers."""

    def with_prefix_tokens(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the maps, and (B, P, C) such tokens per level."""
        ...


class Teacher(nn.Module):
    """A frozen network that returns one feature map per level.

    It stays in evaluation mode whatever its parent does, and its parameters are not trained. Gradients still
    flow *through* it to the images, as gradient-based maps need.

    Args:
        backbone: takes (B, 3, H, W) float32, normalised, returns one (B, C, h, w) map per level, fine to coarse.
        card: its description.
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
        """Stay in evaluation mode: a teacher is never trained, and its BatchNorm statistics never change."""
        super().train(mode=False)
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe images.

        Args:
            images: (B, 3, H, W) floating point, normalised with ``mean`` and ``std``.

        Returns:
            One (B, C, h, w) map per level, fine to coarse.

        Raises:
            ConfigError: images of a shape, type or size that this network does not accept.
        """
        self._check(images)
        return tuple(self.backbone(images))

    def describe(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Describe images by maps and by one vector per level.

        Args:
            images: as for :meth:`forward`.

        Returns:
            The maps, and one (B, C) vector per level: a transformer's class token, or the mean of the map.
        """
        self._check(images)
        return describe(self.backbone, images)

    def check_size(self, height: int, width: int) -> None:
        """Refuse an image size that the network does not accept.

        Args:
            height: of the network's input, in pixels.
            width: of the network's input, in pixels.

        Raises:
            ConfigError: names the nearest allowed sizes.
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
        """Return in plain JSON values what :func:`.teacher_from_spec` needs to rebuild it without weights."""
        record = asdict(self.card)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in record.items()}


def describe(backbone: nn.Module, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Describe images by maps and by one vector per level; see :meth:`Teacher.describe`."""
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
    """Find the levels of a network by running it on one fixed image.

    Args:
        backbone: in evaluation mode, with its weights: whether features may be negative depends on them.
        names: of its levels, fine to coarse.
        side: of the square image, in pixels.

    Raises:
        TeacherError: it does not return one (1, C, h, w) map for each name.
    """
    image = torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = tuple(backbone(image))
    if len(maps) != len(names) or any(level.ndim != 4 for level in maps):
        shapes = [tuple(level.shape) for level in maps]
        raise TeacherError(
            f"a teacher of {len(names)} levels must return as many (B, C, h, w) maps, got {shapes}"
        )
    return tuple(
        Level(name, level.shape[1], round(side / level.shape[2]), bool(level.min() < 0))
        for name, level in zip(names, maps, strict=True)
    )
