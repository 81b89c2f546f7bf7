"""How pixels become what the teacher sees, and back: the geometry and the normalisation of a model's input.

Another geometry, such as a letterbox, is another class like :class:`Preprocessing`, chosen by a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F

from twinspect import maps
from twinspect.errors import ImageError
from twinspect.images.reading import check_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.methods.config import MethodConfig
    from twinspect.regions.areas import Region
    from twinspect.teachers.base import Teacher

IMAGE_DIMENSIONS: Final = 4


class Geometry(Protocol):
    """The way from an image to a model's input, and of a map back to the image."""

    def apply(self, rgb: Tensor) -> Tensor:
        """Turn pixels into what a model's ``infer`` takes.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            Float32, of a shape that depends on B alone; where images are scored one by one, of any shape.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps that ``infer`` gave to the size of the images they came from.

        Args:
            scores: (B, h, w) float32.
            size: height and width of the original image, in pixels.

        Returns:
            (B, height, width) float32.
        """

    def inside(self, region: Region, size: tuple[int, int]) -> Tensor:
        """Turn a region of interest into what a model's ``infer`` takes beside an image.

        Args:
            region: where to look.
            size: height and width of the original image, in pixels.

        Returns:
            Bool, without the dimension of the batch.

        Raises:
            ImageError: it is for images of another size, or leaves nothing to look at.
        """

    def inside_of(self, masks: Tensor) -> Tensor:
        """Do the same to the regions of several images of one size, (B, H, W) bool, as a graph does."""


@dataclass(frozen=True)
class Preprocessing:
    """A square resize, a centre crop and a normalisation.

    Attributes:
        size: side of the square that images are resized to, in pixels.
        crop: side of the centre kept after resizing, in pixels; 0 keeps everything.
        mean: subtracted from each of R, G, B after scaling to 0..1.
        std: divided by, for each of R, G, B.
        resize: interpolation of the resizing, antialiased either way.
    """

    size: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Literal["bilinear", "bicubic"] = "bilinear"

    @classmethod
    def of(cls, config: MethodConfig, teacher: Teacher) -> Preprocessing:
        """Combine the method's size with the teacher's normalisation."""
        mean, std = (teacher.mean, teacher.std) if config.normalize else ((0.0,) * 3, (1.0,) * 3)
        return cls(config.size, config.crop, mean, std, config.resize)

    @property
    def margin(self) -> int:
        """Pixels cut off at each side by the crop."""
        return (self.size - self.crop) // 2 if self.crop else 0

    @property
    def side(self) -> int:
        """Side of what the teacher sees, in pixels."""
        return self.crop or self.size

    def apply(self, rgb: Tensor) -> Tensor:
        """Resize, crop and normalise images.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            (B, 3, side, side) float32.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """
        check_rgb(rgb)
        size = (self.size, self.size)
        images = rgb.float()
        if tuple(images.shape[-2:]) != size:
            images = F.interpolate(images, size=size, mode=self.resize, antialias=True, align_corners=False)
        if self.resize == "bicubic":  # goes beyond black and white at edges
            images = images.clamp(0, 255)
        return self.normalize(self._cropped(images))

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps of prepared images to the size of the images they came from.

        What a crop cut off was never looked at: there the map repeats its nearest value.

        Args:
            scores: (B, side, side) float32.
            size: height and width of the original image, in pixels.

        Returns:
            (B, height, width) float32.
        """
        margin = self.margin
        rest = self.size - self.side - margin if margin else 0
        if margin or rest:
            scores = F.pad(scores[:, None], (margin, rest, margin, rest), mode="replicate")[:, 0]
        return maps.enlarge(scores, size)

    def to_input(self, mask: NDArray[np.bool_]) -> Tensor:
        """Bring a mask of an original image, (H, W), to the model's input.

        Returns:
            (side, side) float32: the share of each pixel that the mask covers, in [0, 1].
        """
        whole = torch.from_numpy(mask.astype(np.float32))[None]
        return self._cropped(F.adaptive_avg_pool2d(whole, (self.size, self.size)))[0]

    def inside(self, region: Region, size: tuple[int, int] = (0, 0)) -> Tensor:  # noqa: ARG002 - tiles need it
        """Say which pixels of the input lie in a region: most of them does; (side, side) bool.

        Raises:
            ImageError: none does, since the crop cuts the region off.
        """
        inside = maps.mostly(self.to_input(region.mask)[None])[0]
        if not inside.any():
            raise ImageError(
                f"the region of interest leaves nothing to look at: it lies in the margin that --crop {self.crop} of "
                f"--size {self.size} cuts off; make it larger, or leave --crop out"
            )
        return inside

    def inside_of(self, masks: Tensor) -> Tensor:
        """Bring the pixels of images or tiles that count, (B, H, W) bool, to the input: (B, side, side) bool."""
        return maps.mostly(self._cropped(maps.share_inside(masks, (self.size, self.size))))

    def normalize(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) float in 0..255 into what the teacher sees, on the images' device."""
        mean, std = self._channels(images)
        return (images / 255 - mean) / std

    def to_rgb(self, images: Tensor) -> Tensor:
        """Turn prepared images (..., 3, H, W) back into uint8, on their device."""
        mean, std = self._channels(images)
        return ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def _cropped(self, images: Tensor) -> Tensor:
        margin, side = self.margin, self.side
        return images[..., margin : margin + side, margin : margin + side]

    def _channels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and std as (3, 1, 1), of the images' type and on their device."""
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return mean, std


def as_batch(rgb: NDArray[np.uint8]) -> Tensor:
    """Turn the pixels of one image, (H, W, 3) uint8, into a batch (1, 3, H, W), where possible in the same memory."""
    if not rgb.flags.writeable:  # as of Pillow's images; torch would warn
        rgb = rgb.copy()
    return torch.from_numpy(rgb).permute(2, 0, 1)[None]


def check_rgb(rgb: Tensor) -> None:
    """Refuse what is not a batch of RGB images.

    Raises:
        ImageError: a wrong shape, or sides too small to hold structure.
    """
    if rgb.ndim != IMAGE_DIMENSIONS or rgb.shape[1] != 3:
        raise ImageError(
            f"expected (B, 3, H, W) uint8 RGB, got {tuple(rgb.shape)} {rgb.dtype}; for one image use rgb[None]"
        )
    check_sides(rgb.shape[-2], rgb.shape[-1])
