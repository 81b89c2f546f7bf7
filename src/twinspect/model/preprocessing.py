"""How pixels become what the teacher sees, and back: the geometry and the normalisation of a model's input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F

from twinspect import maps
from twinspect.errors import ImageError
from twinspect.images.reading import check_sides
from twinspect.methods.input_size import sides, spelled
from twinspect.model.letterbox import Place, letterbox

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

    @property
    def has_padding(self) -> bool:
        """Whether there may be padding around an image, which counts in nothing."""

    def inside(self, region: Region | None, size: tuple[int, int]) -> Tensor | None:
        """Turn a region of interest into what a model's ``infer`` takes beside an image.

        Args:
            region: where to look; ``None`` for the whole image.
            size: height and width of the original image, in pixels.

        Returns:
            Bool, without the dimension of the batch; ``None`` where all of the input counts.

        Raises:
            ImageError: it is for images of another size, or leaves nothing to look at.
        """

    def inside_of(self, masks: Tensor) -> Tensor:
        """Do the same to the regions of several images of one size, (B, H, W) bool, as a graph does."""


@dataclass(frozen=True)
class Preprocessing:
    """A resize, a centre crop and a normalisation.

    Attributes:
        size: height and width that images are resized to, in pixels.
        crop: side of the square centre kept after resizing, in pixels; 0 keeps everything.
        mean: subtracted from each of R, G, B after scaling to 0..1.
        std: divided by, for each of R, G, B.
        resize: ``squash`` stretches images to the size; ``letterbox`` keeps their shape, in the middle of padding
            that is 0 after the normalisation, as a convolution's.
        interpolation: of the resizing, antialiased either way.
    """

    size: tuple[int, int]
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Literal["squash", "letterbox"] = "squash"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    @classmethod
    def of(cls, config: MethodConfig, teacher: Teacher) -> Preprocessing:
        """Combine the method's size with the teacher's normalisation."""
        mean, std = (teacher.mean, teacher.std) if config.normalize else ((0.0,) * 3, (1.0,) * 3)
        return cls(sides(config.size), config.crop, mean, std, config.resize, config.interpolation)

    @property
    def has_padding(self) -> bool:
        """Whether there may be padding around an image, which counts in nothing."""
        return self.resize == "letterbox"

    @property
    def input_sides(self) -> tuple[int, int]:
        """Height and width of what the teacher sees, in pixels."""
        return (self.crop, self.crop) if self.crop else self.size

    def record(self) -> dict[str, Any]:
        """Describe it in plain JSON values."""
        return {**asdict(self), "size": spelled(*self.size)}

    def apply(self, rgb: Tensor) -> Tensor:
        """Resize, crop and normalise images.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            (B, 3, *input_sides) float32.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """
        check_rgb(rgb)
        place = self._place(rgb.shape[-2], rgb.shape[-1])
        images = rgb.float()
        if tuple(images.shape[-2:]) != place.size:
            images = _resized(images, place.size, self.interpolation)
        if self.interpolation == "bicubic":  # goes beyond black and white at edges
            images = images.clamp(0, 255)
        if self.has_padding:
            return self._cropped(place.pad(self.normalize(images)))
        return self.normalize(self._cropped(images))

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps of prepared images to the size of the images they came from.

        Args:
            scores: (B, *input_sides) float32.
            size: height and width of the original image, in pixels.

        Returns:
            (B, height, width) float32.
        """
        return self.from_canvas(self.to_canvas(scores), size)

    def to_canvas(self, scores: Tensor) -> Tensor:
        """Bring maps of prepared images, (B, *input_sides), to what these were cropped from: (B, *size).

        What a crop cut off was never looked at: there the map repeats its nearest value.
        """
        if self.input_sides == self.size:
            return scores
        (top, left), (height, width) = self._margins, self.input_sides
        bottom, right = self.size[0] - height - top, self.size[1] - width - left
        return F.pad(scores[:, None], (left, right, top, bottom), mode="replicate")[:, 0]

    def from_canvas(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps of resized images, (B, h, w) of this shape, to the size of the images they came from.

        Args:
            scores: float32; without padding of any height and width, else of :attr:`size`.
            size: height and width of the original image, in pixels.
        """
        if self.has_padding:
            scores = self._place(*size).cut(scores)
        return maps.enlarge(scores, size)

    def to_input(self, mask: NDArray[np.bool_]) -> Tensor:
        """Bring a mask of an original image, (H, W), to the model's input.

        Returns:
            (*input_sides,) float32: the share of each pixel that the mask covers, in [0, 1]; 0 in padding.
        """
        place = self._place(*mask.shape)
        whole = torch.from_numpy(mask.astype(np.float32))[None]
        return self._cropped(place.pad(F.adaptive_avg_pool2d(whole, place.size)))[0]

    def inside(self, region: Region | None, size: tuple[int, int]) -> Tensor | None:
        """Say which pixels of the input lie in a region, and not in padding: most of them does; (*input_sides,) bool.

        Returns:
            ``None`` where all do.

        Raises:
            ImageError: none does, since the crop cuts the region off.
        """
        if region is None:
            return self._inside_whole(*size) if self.has_padding else None
        mask = region.at(*size) if self.has_padding else region.mask
        inside = maps.mostly(self.to_input(mask)[None])[0]
        if not inside.any():
            raise ImageError(
                f"the region of interest leaves nothing to look at: it lies in the margin that --crop {self.crop} of "
                f"--size {spelled(*self.size)} cuts off; make it larger, or leave --crop out"
            )
        return inside

    def _inside_whole(self, height: int, width: int) -> Tensor:
        """Say which pixels of the input show an image of this size: (*input_sides,) bool."""
        place = self._place(height, width)
        return self._cropped(place.pad(torch.ones(1, *place.size, dtype=torch.bool)))[0]

    def inside_of(self, masks: Tensor) -> Tensor:
        """Bring the pixels of images or tiles that count, (B, H, W) bool, to the input: (B, *input_sides) bool."""
        place = self._place(masks.shape[-2], masks.shape[-1])
        shares = maps.share_inside(masks, place.size)
        return maps.mostly(self._cropped(place.pad(shares) if self.has_padding else shares))

    def normalize(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) float in 0..255 into what the teacher sees, on the images' device."""
        mean, std = self._channels(images)
        return (images / 255 - mean) / std

    def to_rgb(self, images: Tensor) -> Tensor:
        """Turn prepared images (..., 3, H, W) back into uint8, on their device."""
        mean, std = self._channels(images)
        return ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def _place(self, height: int, width: int) -> Place:
        """Say where an image of this size lies in what it is resized to."""
        return letterbox(height, width, self.size) if self.has_padding else Place(self.size, self.size)

    @property
    def _margins(self) -> tuple[int, int]:
        """Pixels cut off above and on the left by the crop."""
        (height, width), (kept, also) = self.size, self.input_sides
        return (height - kept) // 2, (width - also) // 2

    def _cropped(self, images: Tensor) -> Tensor:
        (top, left), (height, width) = self._margins, self.input_sides
        return images[..., top : top + height, left : left + width]

    def _channels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and std as (3, 1, W), of the images' type and on their device.

        ONNX Runtime moves channels last, where three numbers that repeat with every pixel are slow to broadcast (ten
        times for 256 px), and a row of them is not.
        """
        width = images.shape[-1]
        mean, std = (
            images.new_tensor(values).view(3, 1, 1).repeat(1, 1, width) for values in (self.mean, self.std)
        )
        return mean, std


def _resized(images: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    """Resize (B, 3, H, W) with antialiasing."""
    # Torch takes the strides of a single column for those of another memory format and mixes up its rows, but not
    # its columns. In a graph, whose runtime has no such error, the width is a symbol.
    is_column = type(size[1]) is int and size[1] == 1
    turned, shape = (images.mT.contiguous(), size[::-1]) if is_column else (images, size)
    resized = F.interpolate(turned, size=shape, mode=interpolation, antialias=True, align_corners=False)
    return resized.mT if is_column else resized


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
