"""Where the texture of an anomaly comes from: a folder of images, drawn patterns, or the other images at hand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from twinspect.data.listing import Listing, find_images
from twinspect.errors import DataError
from twinspect.images.reading import image_size, read_rgb
from twinspect.synthesis.procedural_textures import pattern_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

CACHE_MB = 256
"""Memory for the decoded images of a folder, in MiB: 1 300 of 256 x 256 pixels."""


class Textures(Protocol):
    """A source of textures."""

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
        """Draw one texture.

        Args:
            random: decides which, and which part of it.
            shape: height and width in pixels.

        Returns:
            (height, width, 3) uint8 RGB; a new array.
        """


class FolderTextures:
    """The images in a folder and all folders below, scaled to cover what is asked for; random crop and flip.

    Images are decoded when they are first drawn, and the last ones drawn are kept; which image is drawn depends
    on the random numbers and the list of files alone. Threads may share it.

    Args:
        folder: holds images of any format that twinspect reads.
        cache_mb: memory for decoded images, in MiB.

    Raises:
        DataError: there is no such folder, no image in it, or a file whose header is not that of an image.
    """

    def __init__(self, folder: Path | str, cache_mb: int = CACHE_MB) -> None:
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise DataError(f"{root}: no such folder; textures come from a folder of images")
        self.paths = find_images(root, Listing())
        if not self.paths:
            raise DataError(f"{root}: no image in it or below it; textures come from a folder of images")
        for path in self.paths:
            image_size(path)  # a bad file is named before training begins, not hours later
        self._budget = cache_mb * 2**20
        self._kept: OrderedDict[tuple[Path, tuple[int, int]], Pixels] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
        """Draw a random part of a random image, see `Textures.draw`.

        Raises:
            ImageError: the file cannot be decoded; names it.
        """
        texture = self._covering(self.paths[random.integers(len(self.paths))], shape)
        top, left = (
            random.integers(length - wanted + 1)
            for length, wanted in zip(texture.shape[:2], shape, strict=True)
        )
        return _flip(texture[top : top + shape[0], left : left + shape[1]], random)

    def _covering(self, path: Path, shape: tuple[int, int]) -> Pixels:
        """Return the image at the smallest size that covers ``shape``, from memory if it is there."""
        key = (path, shape)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        texture = _cover(read_rgb(path), shape)
        with self._lock:
            if key not in self._kept:  # another thread may have been first
                self._kept[key] = texture
                self._bytes += texture.nbytes
            while self._bytes > self._budget:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return texture


class PatternTextures:
    """Drawn patterns, see `.procedural_textures`: a pool of them, each shifted around its edges and flipped.

    Args:
        seed: of the pool.
    """

    def __init__(self, seed: int = 0) -> None:
        self._pool = pattern_pool(seed)

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
        """Draw a random part of a random pattern, see `Textures.draw`."""
        return _flip(_roll(self._pool[random.integers(len(self._pool))], random, shape), random)


@dataclass(frozen=True)
class OwnTextures:
    """The other images of a batch, each shifted around its edges and flipped: normal, but out of place.

    Attributes:
        images: (B, H, W, 3) uint8.
        index: the image that is made anomalous; drawn only if it is alone.
    """

    images: Pixels
    index: int

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
        """Draw a random part of a random other image, see `Textures.draw`."""
        return _flip(
            _roll(self.images[other_index(len(self.images), self.index, random)], random, shape), random
        )


@dataclass(frozen=True)
class MixedTextures:
    """One of several sources, each as likely as the others."""

    sources: Sequence[Textures]

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
        """Draw from a random source, see `Textures.draw`."""
        return self.sources[int(random.integers(len(self.sources)))].draw(random, shape)


def other_index(count: int, index: int, random: np.random.Generator) -> int:
    """Draw an index below ``count`` other than ``index``; that one if there is no other."""
    return int(index + 1 + random.integers(count - 1)) % count if count > 1 else index


def _cover(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    scale = max(shape[0] / height, shape[1] / width)
    size = (max(shape[1], round(width * scale)), max(shape[0], round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _roll(pixels: Pixels, random: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Repeat pixels endlessly and cut out ``shape`` at a random offset."""
    indices = (
        (np.arange(wanted) + random.integers(length)) % length
        for length, wanted in zip(pixels.shape[:2], shape, strict=True)
    )
    rows, columns = indices
    rolled: Pixels = pixels.take(rows, axis=0).take(columns, axis=1)
    return rolled


def _flip(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Mirror up and down, left and right, each with probability one half; into a new array."""
    down, right = (1 - 2 * random.integers(2, size=2)).tolist()
    return np.ascontiguousarray(pixels[::down, ::right])
