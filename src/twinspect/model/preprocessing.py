"""How pixels become what the teacher sees: the geometry and the normalisation of a model's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.errors import ImageError
from twinspect.images.reading import check_sides

if TYPE_CHECKING:
    from torch import Tensor

    from twinspect.methods.config import MethodConfig
    from twinspect.teachers.base import Teacher


IMAGE_DIMENSIONS = 4


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become what the teacher sees.

    Attributes:
        size: side of the square that images are resized to, in pixels (bilinear, antialiased).
        crop: side of the centre kept after resizing, in pixels; 0 keeps everything.
        mean: subtracted from each of R, G, B after scaling to 0..1.
        std: divided by, likewise.
    """

    size: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, config: MethodConfig, teacher: Teacher) -> Preprocessing:
        """Combine the method's size with the teacher's normalisation."""
        mean, std = (teacher.mean, teacher.std) if config.normalize else ((0.0,) * 3, (1.0,) * 3)
        return cls(config.size, config.crop, mean, std)

    @property
    def margin(self) -> int:
        """Pixels cut off at each side by the crop."""
        return (self.size - self.crop) // 2 if self.crop else 0

    @property
    def side(self) -> int:
        """Side of what the teacher sees, in pixels."""
        return self.crop or self.size


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
