"""What turns pixels into a raw score: prepares an image, infers a map and a score, and brings the map to its size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from torch import Tensor, nn

if TYPE_CHECKING:
    from typing_extensions import Self

    from twinspect.model.preprocessing import Geometry


class RawOutput(NamedTuple):
    """What a model says of B images.

    Attributes:
        map: (B, h, w) float32, unbounded, higher is more anomalous.
        score: (B,) float32, unbounded, higher is more anomalous.
    """

    map: Tensor
    score: Tensor


class ScoringModel(nn.Module, ABC):
    """The one path from pixels to raw score; a subclass says how an image is prepared and scored.

    Attributes:
        preprocessing: how pixels become the input of :meth:`infer`, and its maps those of images.
        one_by_one: whether images are scored one at a time, because prepared ones differ in shape or are large.
        any_size: whether a graph of it can take images of any size.
    """

    preprocessing: Geometry
    one_by_one: ClassVar[bool] = False
    any_size: ClassVar[bool] = True

    @abstractmethod
    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score prepared images.

        Args:
            images: as the preprocessing gives them.
            inside: the region of interest of each, as the preprocessing gives it; ``None`` for whole images.
        """

    @abstractmethod
    def check_region(self, *, blank: bool) -> None:
        """Refuse a region of interest that the score cannot be confined to.

        Raises:
            ConfigError: see :meth:`.Method.check_region`.
        """

    @abstractmethod
    def exportable(self) -> tuple[Self, tuple[str, ...]]:
        """Give what a graph without gradients can compute, sharing all networks, and in words what differs."""

    def forward(self, rgb: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score images of one size.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.
            inside: as for :meth:`infer`; ``None`` for all of the images, without their padding.

        Returns:
            Raw scores (B,) and maps (B, H, W) at the size of ``rgb``.
        """
        size = (rgb.shape[-2], rgb.shape[-1])
        whole = self.preprocessing.inside(None, size) if inside is None else None
        if whole is not None:
            inside = whole.expand(rgb.shape[0], *whole.shape)  # len() would be a constant of a graph
        output = self.infer(self.preprocessing.apply(rgb), inside)
        return RawOutput(self.preprocessing.to_image(output.map, size), output.score)
