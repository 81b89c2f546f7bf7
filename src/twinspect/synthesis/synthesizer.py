"""From normal images to images with synthetic anomalies and their masks, reproducibly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from twinspect.errors import ConfigError, DataError, unknown_name
from twinspect.synthesis.compositing import MIN_CHANGE, blend, is_grey, keep_changed
from twinspect.synthesis.cutpaste import cut_paste
from twinspect.synthesis.foreground import foreground
from twinspect.synthesis.perlin import perlin_mask, random_cells
from twinspect.synthesis.poisson_blending import poisson_paste
from twinspect.synthesis.texture_augmentation import augment_texture
from twinspect.synthesis.textures import (
    FolderTextures,
    MixedTextures,
    OwnTextures,
    PatternTextures,
    other_index,
)
from twinspect.synthesis.two_level_images import paste_levels, two_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twinspect.synthesis.textures import Textures

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator
    Draw = Callable[[], tuple[Pixels, Mask]]

MIXED = "mixed"
MAX_TRIES = 10
"""How often an anomaly is drawn again if it can hardly be seen; then the image stays normal."""
MIN_SHARE = 0.0005
"""The smallest anomaly, as a share of the image: 33 pixels of 256 x 256."""
MIN_SIDE = 8
"""Smallest side of an image, in pixels."""


@dataclass(frozen=True)
class Synthetic:
    """A batch of images, some of which hold synthetic anomalies.

    Attributes:
        images: (B, H, W, 3) uint8 RGB.
        masks: (B, H, W) bool, True where an image was changed; empty where it stayed normal.
    """

    images: Pixels
    masks: Mask

    @property
    def is_anomalous(self) -> Mask:
        """Which images hold an anomaly, (B,) bool."""
        return np.asarray(self.masks.any(axis=(1, 2)))


@dataclass(frozen=True)
class Synthesizer:
    """Puts synthetic anomalies on normal images; threads may share it.

    What becomes of an image depends on these settings, its number and the images of its batch, never on the batches
    before: a training that is resumed sees the same images.

    Raises:
        ConfigError: a setting that is not allowed.
    """

    kind: str = "draem"
    """draem: a texture in blobs of Perlin noise; cutpaste: a piece of the image itself, elsewhere; poisson: a piece
    of another image, without a seam; mixed: one of these, each as likely"""
    textures: str = ""
    """folder of images that draem takes textures from; without one: drawn patterns and the other images of the batch,
    each as likely"""
    seed: int = 0
    """decides everything random, together with an image's number"""
    normal_share: float = 0.2
    """with this probability an image stays normal"""
    beta: tuple[float, float] = (0.0, 0.8)
    """range of how much of the image shines through draem's texture"""
    in_foreground: bool = True
    """anomalies lie on the object, where there is one: see `twinspect.synthesis.foreground`"""

    def __post_init__(self) -> None:
        if self.kind != MIXED and self.kind not in DRAWERS:
            raise unknown_name("kind of synthetic anomaly", self.kind, [*DRAWERS, MIXED])
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; allowed are whole numbers from 0")
        if not 0 <= self.normal_share <= 1:
            raise ConfigError(f"normal_share is {self.normal_share}; allowed is 0 to 1")
        if not 0 <= self.beta[0] <= self.beta[1] <= 1:
            raise ConfigError(
                f"beta is {self.beta}; allowed are two numbers from 0 to 1, the lower one first"
            )

    def __call__(self, images: Pixels, numbers: Sequence[int], foregrounds: Mask | None = None) -> Synthetic:
        """Put anomalies on a batch of normal images.

        Image i depends on ``images[i]``, ``numbers[i]`` and the foreground. Where textures or pieces come from
        other images of the batch (draem without a texture folder, poisson, mixed), it depends on those and their
        order as well.

        Args:
            images: (B, H, W, 3) uint8 RGB, sides of at least 8 pixels; never changed.
            numbers: one for each image, 0 or above: the same number draws the same anomaly. Numbers that count on
                through a training, such as step * batch size + place, draw a new one every time.
            foregrounds: (B, H, W) bool, where anomalies may be; found in each image if not given.

        Raises:
            DataError: arrays of another shape or type, a number below 0, or a texture folder without images.
            ImageError: a texture that cannot be read.
        """
        batch = _Batch(images, numbers, foregrounds, in_foreground=self.in_foreground)
        changed, masks = images.copy(), np.zeros(images.shape[:3], np.bool_)
        for index, number in enumerate(numbers):
            random = np.random.default_rng([self.seed, int(number)])
            stays = random.random() < self.normal_share
            drawn = None if stays else self._anomaly(batch, index, random)
            if drawn is not None:
                changed[index], masks[index] = drawn
        return Synthetic(changed, masks)

    def textures_for(self, images: Pixels, index: int) -> Textures:
        """Return the source of draem's textures for one image of a batch.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            index: which of them becomes anomalous.
        """
        if self.textures:
            return self._fixed_textures
        return MixedTextures((self._fixed_textures, OwnTextures(images, index)))

    @cached_property
    def _fixed_textures(self) -> Textures:
        """The textures that do not change with the batch."""
        return FolderTextures(self.textures) if self.textures else PatternTextures(self.seed)

    def _anomaly(self, batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask] | None:
        """Draw until the anomaly is visible."""
        if not batch.foreground(index).any():
            return None
        kind = tuple(DRAWERS)[random.integers(len(DRAWERS))] if self.kind == MIXED else self.kind
        draw = DRAWERS[kind](self, batch, index, random)
        for _ in range(MAX_TRIES):
            after, mask = draw()
            if _is_visible(batch.images[index], after, mask):
                return after, mask
        return None


class _Batch:
    """Checked images, with the foregrounds that were needed."""

    def __init__(
        self, images: Pixels, numbers: Sequence[int], foregrounds: Mask | None, *, in_foreground: bool
    ) -> None:
        _check(images, numbers, foregrounds)
        self.images = images
        self._foregrounds: dict[int, Mask] = {}
        if foregrounds is not None:
            self._foregrounds = dict(enumerate(foregrounds))
        elif not in_foreground:
            self._foregrounds = dict.fromkeys(range(len(images)), np.ones(images.shape[1:3], np.bool_))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of every image."""
        return self.images.shape[1], self.images.shape[2]

    def foreground(self, index: int) -> Mask:
        """Return where anomalies may be, (H, W) bool."""
        if index not in self._foregrounds:
            self._foregrounds[index] = foreground(self.images[index])
        return self._foregrounds[index]


def _draem(synthesizer: Synthesizer, batch: _Batch, index: int, random: Random) -> Draw:
    """Choose how fine the blobs are once: coarse ones often miss a small object, which would get small anomalies."""
    return partial(_draem_once, synthesizer, batch, index, random_cells(random), random)


def _draem_once(
    synthesizer: Synthesizer, batch: _Batch, index: int, cells: tuple[int, int], random: Random
) -> tuple[Pixels, Mask]:
    image = batch.images[index]
    mask = perlin_mask(batch.shape, cells, random) & batch.foreground(index)
    if mask.mean() < MIN_SHARE:  # no need for a texture
        return image, mask
    texture = augment_texture(synthesizer.textures_for(batch.images, index).draw(random, batch.shape), random)
    if is_grey(image):  # where colour alone would reveal every anomaly
        texture = np.repeat(texture.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
        if levels := two_levels(image):  # where every shade between would
            return keep_changed(image, paste_levels(image, texture, mask, levels), mask)
    return blend(image, texture, mask, random.uniform(*synthesizer.beta)), mask


def _cutpaste(_synthesizer: Synthesizer, batch: _Batch, index: int, random: Random) -> Draw:
    return partial(cut_paste, batch.images[index], batch.foreground(index), random)


def _poisson(_synthesizer: Synthesizer, batch: _Batch, index: int, random: Random) -> Draw:
    return partial(_poisson_once, batch, index, random)


def _poisson_once(batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask]:
    other = other_index(len(batch.images), index, random)
    # A foreground may be empty if it was given; then the other image has no part to prefer.
    source_foreground = batch.foreground(other if batch.foreground(other).any() else index)
    return poisson_paste(
        batch.images[index], batch.foreground(index), batch.images[other], source_foreground, random
    )


DRAWERS: dict[str, Callable[[Synthesizer, _Batch, int, Random], Draw]] = {
    "draem": _draem,
    "cutpaste": _cutpaste,
    "poisson": _poisson,
}


def _is_visible(before: Pixels, after: Pixels, mask: Mask) -> bool:
    """Tell whether an anomaly is large enough, and changes its pixels enough on average."""
    if mask.mean() < MIN_SHARE:
        return False
    change = np.abs(after[mask].astype(np.int16) - before[mask])
    return bool(change.max(axis=-1).mean() >= MIN_CHANGE)


def _check(images: Pixels, numbers: Sequence[int], foregrounds: Mask | None) -> None:
    """Check the arrays of a batch.

    Raises:
        DataError: a shape, type or number is not allowed.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise DataError(
            f"images are {images.shape} {images.dtype}; allowed is (B, H, W, 3) uint8, for one image x[None]"
        )
    if min(images.shape[1:3]) < MIN_SIDE:
        raise DataError(
            f"images are {images.shape[2]} x {images.shape[1]} pixels; both sides must be {MIN_SIDE} or more"
        )
    if len(numbers) != len(images) or any(number < 0 for number in numbers):
        raise DataError(
            f"numbers are {list(numbers)} for {len(images)} images; allowed is one for each, 0 or above"
        )
    if foregrounds is not None and (foregrounds.dtype != np.bool_ or foregrounds.shape != images.shape[:3]):
        raise DataError(
            f"foregrounds are {foregrounds.shape} {foregrounds.dtype}; allowed is {images.shape[:3]} bool"
        )
