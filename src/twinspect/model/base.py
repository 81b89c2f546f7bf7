"""What can judge an image: prepares it, infers a map and a score, and brings the map to the image's own size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from twinspect.data.pixels import read_pixels
from twinspect.errors import ImageError
from twinspect.methods.base import Output

if TYPE_CHECKING:
    from typing_extensions import Self

    from twinspect.data.samples import Sample


class ScoringModel(nn.Module, ABC):
    """The one path from pixels to raw score; a subclass says how an image is prepared, judged and enlarged.

    Attributes:
        one_by_one: whether images are judged one at a time, because prepared ones differ in shape or are large.
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
            Float32, of a shape that depends on B alone; where images are judged one by one, of any shape.
        """

    @abstractmethod
    def infer(self, images: Tensor) -> Output:
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

    def forward(self, rgb: Tensor) -> Output:
        """Score images of one size.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            Raw scores (B,) and maps (B, H, W) at the size of ``rgb``.
        """
        output = self.infer(self.prepare(rgb))
        return Output(self.enlarge(output.map, (rgb.shape[-2], rgb.shape[-1])), output.score)

    def read(self, sample: Sample, *, bits: int | None = None) -> tuple[Tensor, tuple[int, int]]:
        """Read and prepare one image.

        Args:
            sample: a file, or pixels in memory.
            bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.

        Returns:
            The prepared image, without the dimension of the batch, and the image's own height and width.

        Raises:
            ImageError: it cannot be read or is too small; the message begins with its path.
        """
        pixels = read_pixels(sample, bits=bits)
        try:
            prepared = self.prepare(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
        except ImageError as error:
            raise ImageError(f"{sample.address}: {error}") from None
        return prepared, (pixels.shape[0], pixels.shape[1])
