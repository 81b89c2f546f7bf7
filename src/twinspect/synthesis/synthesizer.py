"""Normal images in; images with synthetic anomalies, and their masks, out: the same ones whenever asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from twinspect.errors import ConfigError, DataError, unknown_name
from twinspect.synthesis.compositing import LEAST_CHANGE, blend, keep_changed
from twinspect.synthesis.cutpaste import cut_paste
from twinspect.synthesis.foreground import foreground
from twinspect.synthesis.perlin import perlin_mask
from twinspect.synthesis.poisson_blending import poisson_paste
from twinspect.synthesis.texture_augmentation import augment
from twinspect.synthesis.textures import (
    FolderTextures,
    MixedTextures,
    OwnTextures,
    PatternTextures,
    another,
)
from twinspect.synthesis.two_level_images import paste_levels, two_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twinspect.synthesis.textures import Textures

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

MIXED = "mixed"
TRIES = 10
"""So often an anomaly is drawn anew when next to nothing of it is to be seen; then the image stays normal."""
LEAST_SHARE = 0.0005
"""An anomaly of a smaller share of the image is none: 33 pixels of 256 x 256."""
GREY_SPAN = 8
"""Where R, G and B differ nowhere by more levels of 255, an image is grey, and so are the textures on it."""
LEAST_SIDE = 8
"""Smallest side of an image, in pixels."""


@dataclass(frozen=True)
class Synthetic:
    """A batch of images of which some hold synthetic anomalies.

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
        if self.kind != MIXED and self.kind not in KINDS:
            raise unknown_name("kind of synthetic anomaly", self.kind, [*KINDS, MIXED])
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
        """Say where draem's textures for one image of a batch come from.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            index: which of them becomes anomalous.
        """
        if self.textures:
            return self._lasting
        return MixedTextures((self._lasting, OwnTextures(images, index)))

    @cached_property
    def _lasting(self) -> Textures:
        """The textures that do not change with the batch."""
        return FolderTextures(self.textures) if self.textures else PatternTextures(self.seed)

    def _anomaly(self, batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask] | None:
        """Draw until there is something to see."""
        if not batch.foreground(index).any():
            return None
        kind = tuple(KINDS)[random.integers(len(KINDS))] if self.kind == MIXED else self.kind
        for _ in range(TRIES):
            after, mask = KINDS[kind](self, batch, index, random)
            if _is_visible(batch.images[index], after, mask):
                return after, mask
        return None


class _Batch:
    """Checked images, with the foregrounds of those that were asked about."""

    def __init__(
        self, images: Pixels, numbers: Sequence[int], foregrounds: Mask | None, *, in_foreground: bool
    ) -> None:
        _check(images, numbers, foregrounds)
        self.images = images
        self._found: dict[int, Mask] = {}
        if foregrounds is not None:
            self._found = dict(enumerate(foregrounds))
        elif not in_foreground:
            self._found = dict.fromkeys(range(len(images)), np.ones(images.shape[1:3], np.bool_))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of every image."""
        return self.images.shape[1], self.images.shape[2]

    def foreground(self, index: int) -> Mask:
        """Return where anomalies may be, (H, W) bool."""
        if index not in self._found:
            self._found[index] = foreground(self.images[index])
        return self._found[index]


def _draem(own: Synthesizer, batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask]:
    image = batch.images[index]
    mask = perlin_mask(batch.shape, random) & batch.foreground(index)
    if mask.mean() < LEAST_SHARE:  # no need for a texture
        return image, mask
    texture = augment(own.textures_for(batch.images, index).draw(random, batch.shape), random)
    if _is_grey(image):  # where colour alone would give every anomaly away
        texture = np.repeat(texture.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
        if levels := two_levels(image):  # and here every shade
            return keep_changed(image, paste_levels(image, texture, mask, levels), mask)
    return blend(image, texture, mask, random.uniform(*own.beta)), mask


def _cutpaste(_own: Synthesizer, batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask]:
    return cut_paste(batch.images[index], batch.foreground(index), random)


def _poisson(_own: Synthesizer, batch: _Batch, index: int, random: Random) -> tuple[Pixels, Mask]:
    other = another(len(batch.images), index, random)
    # A foreground may be empty if it was given; then the other image has no part to prefer.
    source_foreground = batch.foreground(other if batch.foreground(other).any() else index)
    return poisson_paste(
        batch.images[index], batch.foreground(index), batch.images[other], source_foreground, random
    )


KINDS: dict[str, Callable[[Synthesizer, _Batch, int, Random], tuple[Pixels, Mask]]] = {
    "draem": _draem,
    "cutpaste": _cutpaste,
    "poisson": _poisson,
}


def _is_grey(image: Pixels) -> bool:
    """Say whether R, G and B are the same, but for what JPEG does to them."""
    some = image[::4, ::4]  # enough to tell, in a tenth of the time
    return int((some.max(axis=-1) - some.min(axis=-1)).max()) <= GREY_SPAN


def _is_visible(before: Pixels, after: Pixels, mask: Mask) -> bool:
    """Say whether an anomaly is large enough, and on average as different as a pixel must be to count as changed."""
    if mask.mean() < LEAST_SHARE:
        return False
    change = np.abs(after[mask].astype(np.int16) - before[mask])
    return bool(change.max(axis=-1).mean() >= LEAST_CHANGE)


def _check(images: Pixels, numbers: Sequence[int], foregrounds: Mask | None) -> None:
    """Refuse a batch that is none.

    Raises:
        DataError: says what came and what is allowed.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise DataError(
            f"images are {images.shape} {images.dtype}; allowed is (B, H, W, 3) uint8, for one image x[None]"
        )
    if min(images.shape[1:3]) < LEAST_SIDE:
        raise DataError(
            f"images are {images.shape[2]} x {images.shape[1]} pixels; both sides must be {LEAST_SIDE} or more"
        )
    if len(numbers) != len(images) or any(number < 0 for number in numbers):
        raise DataError(
            f"numbers are {list(numbers)} for {len(images)} images; allowed is one for each, 0 or above"
        )
    if foregrounds is not None and (foregrounds.dtype != np.bool_ or foregrounds.shape != images.shape[:3]):
        raise DataError(
            f"foregrounds are {foregrounds.shape} {foregrounds.dtype}; allowed is {images.shape[:3]} bool"
        )
