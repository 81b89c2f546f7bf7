"""A model that looks at an image tile by tile: what is small in a large image stays large enough to be seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import Tensor

from twinspect.model.base import RawOutput, ScoringModel
from twinspect.model.preprocessing import check_rgb
from twinspect.model.tile_blending import blend, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.methods.base import Method
    from twinspect.model.preprocessing import Preprocessing
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
    from twinspect.regions.areas import Region

TILE_BATCH: Final = 8
"""Tiles that the networks see at once; fixed, because batch size changes the last bits."""


@dataclass(frozen=True)
class TilePreprocessing:
    """How images become tiles, and maps of tiles one map of the image.

    Attributes:
        tile: the preprocessing of each tile.
        tiling: where the tiles lie.
    """

    tile: Preprocessing
    tiling: Tiling
    has_padding: ClassVar[bool] = False

    def apply(self, rgb: Tensor) -> Tensor:
        """Check pixels and leave them as they are: bytes take a quarter of the memory of prepared tiles.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """
        check_rgb(rgb)
        return rgb

    def inside(self, region: Region | None, size: tuple[int, int]) -> Tensor | None:
        """Say which pixels of an image lie in a region, (H, W) bool; ``None`` without a region.

        Raises:
            ImageError: it is for images of another size, or leaves no pixel.
        """
        return None if region is None else torch.from_numpy(region.at(*size).copy())

    def inside_of(self, masks: Tensor) -> Tensor:
        """Leave (B, H, W) bool as it is: it is cut as images are."""
        return masks

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring the maps of tiles to their tiles' size, and blend them to maps of whole images.

        Args:
            scores: (B, tiles, side, side) float32.
            size: height and width of the original image, in pixels.

        Returns:
            (B, height, width) float32.
        """
        side = self.tiling.side(size[0]), self.tiling.side(size[1])
        tile_maps = self.tile.to_image(scores.flatten(0, 1), side)
        return blend(_by_image(tile_maps, scores.shape[0]), self.tiling, size)


class TiledModel(ScoringModel):
    """A model whose images are tiles of larger ones.

    The score of an image is the highest raw score of its tiles: a defect that fills part of one tile must not be
    averaged away by hundreds of good ones. More tiles reach higher maxima by chance; the images that set the
    threshold are scored whole and in the same way, so its promise takes that in.

    Args:
        model: scores tiles, and was trained on tiles.
        tiling: how images are cut.
        at_once: tiles that the networks see at once; ``None`` for all of an image, as a graph does.
    """

    one_by_one: ClassVar[bool] = True
    any_size: ClassVar[bool] = False

    def __init__(self, model: Model, tiling: Tiling, *, at_once: int | None = TILE_BATCH) -> None:
        super().__init__()
        self.model = model
        self.tiling = tiling
        self.preprocessing = TilePreprocessing(model.preprocessing, tiling)
        self._at_once = at_once

    @property
    def method(self) -> Method[Any]:
        """The method that scores each tile."""
        return self.model.method

    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score images.

        Args:
            images: (B, 3, H, W) as :class:`TilePreprocessing` gives them.
            inside: (B, H, W) bool, the region of interest; tiles without any of it have no part in the score.

        Returns:
            Score (B,), the highest of an image's tiles, and map (B, tiles, side, side), one for each tile.
        """
        tiles = cut(images, self.tiling)
        batches = self._batches(tiles.flatten(0, 1))
        regions = [None] * len(batches) if inside is None else self._regions(inside)
        outputs = [
            self.model.infer(self.model.preprocessing.apply(batch), region)
            for batch, region in zip(batches, regions, strict=True)
        ]
        tile_maps, scores = (
            _by_image(torch.cat(parts).float(), images.shape[0]) for parts in zip(*outputs, strict=True)
        )
        if inside is not None:
            counted = cut(inside[:, None], self.tiling).flatten(2).any(dim=2)
            scores = torch.where(counted, scores, -torch.inf)
        return RawOutput(tile_maps, scores.amax(dim=1))

    def check_region(self, *, blank: bool) -> None:
        """Refuse a region of interest that the method's score cannot be confined to."""
        self.model.check_region(blank=blank)

    def exportable(self) -> tuple[TiledModel, tuple[str, ...]]:
        """Give what a graph without gradients can compute, all tiles of an image at once, and what differs."""
        model, differences = self.model.exportable()
        return TiledModel(model, self.tiling, at_once=None).eval(), differences

    def record(self) -> dict[str, Any]:
        """Describe the model in plain JSON values: what scores tiles, and how images are cut."""
        return {**self.model.record(), "tiling": asdict(self.tiling)}

    def _regions(self, inside: Tensor) -> Sequence[Tensor]:
        """Cut what is inside as images are cut, and bring it to the model's input, batch by batch."""
        masks = cut(inside[:, None], self.tiling).flatten(0, 2)
        return self._batches(self.model.preprocessing.inside_of(masks))

    def _batches(self, tiles: Tensor) -> Sequence[Tensor]:
        return [tiles] if self._at_once is None else torch.split(tiles, self._at_once)


def _by_image(values: Tensor, images: int) -> Tensor:
    """Turn (images * tiles, ...) into (images, tiles, ...)."""
    return values.reshape(images, -1, *values.shape[1:])


def tiled(model: Model, tiling: Tiling | None) -> Model | TiledModel:
    """Let a model look at tiles; without a tiling it looks at whole images, as it is."""
    return model if tiling is None else TiledModel(model, tiling).eval()
