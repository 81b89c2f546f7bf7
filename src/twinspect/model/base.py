"""What turns pixels into a raw score: prepares an image, infers a map and a score, and brings the map to its size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self


class RawOutput(NamedTuple):
    """What a model says of B images.

    Attributes:
        map: (B, h, w) float32, unbounded, higher is more anomalous.
        score: (B,) float32, unbounded, higher is more anomalous.
    """

    map: Tensor
    score: Tensor


class ScoringModel(nn.Module, ABC):
    """The one path from pixels to raw score; a subclass says how an image is prepared, scored and enlarged.

    Attributes:
        one_by_one: whether images are scored one at a time, because prepared ones differ in shape or are large.
        any_size: whether a graph of it can take images of any size.
    """

    one_by_one: ClassVar[bool] = False
    any_size: ClassVar[bool] = True

    @abstractmethod
    def prepare(self, rgb: Tensor) -> Tensor:
        """Turn pixels into what :meth:`infer` takes.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            Float32, of a shape that depends on B alone; where images are scored one by one, of any shape.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """

    @abstractmethod
    def infer(self, images: Tensor) -> RawOutput:
        """Score prepared images."""

    @abstractmethod
    def enlarge(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps that :meth:`infer` gave to the size of the images they came from.

        Args:
            scores: (B, h, w) float32.
            size: height and width of the original image, in pixels.

        Returns:
            (B, height, width).
        """

    @abstractmethod
    def exportable(self) -> tuple[Self, tuple[str, ...]]:
        """Give what a graph without gradients can compute, sharing all networks, and in words what differs."""

    def forward(self, rgb: Tensor) -> RawOutput:
        """Score images of one size.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            Raw scores (B,) and maps (B, H, W) at the size of ``rgb``.
        """
        output = self.infer(self.prepare(rgb))
        return RawOutput(self.enlarge(output.map, (rgb.shape[-2], rgb.shape[-1])), output.score)

    def prepare_image(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Turn the pixels of one image, (H, W, 3) uint8 RGB, into one item of a batch for :meth:`infer`.

        Raises:
            ImageError: the image is too small.
        """
        return self.prepare(torch.from_numpy(rgb).permute(2, 0, 1)[None])[0]
