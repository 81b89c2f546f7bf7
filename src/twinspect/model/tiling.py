"""Where tiles lie: squares of one side that cover an image evenly, neighbours sharing some pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from twinspect.methods.config import MethodConfig

MIN_TILE: Final = 32
"""The shortest side of a tile, in pixels."""
MAX_TILE: Final = 65_536
"""The longest."""


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles.

    Along each side there are as few tiles as cover it with the overlap asked for, evenly spread: the first begins and
    the last ends at the image's border. An image shorter than a tile has tiles that are as short; one that is smaller
    both ways is one tile. Nothing is padded.

    Attributes:
        tile: side of a tile, in pixels of the original image; 32 or more.
        overlap: pixels that neighbours share at least; up to half a tile.

    Raises:
        ConfigError: other values.
    """

    tile: int
    overlap: int

    def __post_init__(self) -> None:
        if not _is_whole(self.tile) or not MIN_TILE <= self.tile <= MAX_TILE:
            raise ConfigError(
                f"tile is {self.tile!r}; allowed: whole pixels, {MIN_TILE} to {MAX_TILE}, or None for whole images"
            )
        if not _is_whole(self.overlap) or not 0 <= self.overlap <= self.tile // 2:
            raise ConfigError(
                f"overlap is {self.overlap!r} with tiles of {self.tile} pixels; allowed: 0 to {self.tile // 2}, half "
                f"a tile; type: --tile {self.tile} --overlap {self.tile // 8}"
            )

    @classmethod
    def of(cls, tile: int | None, overlap: int) -> Tiling | None:
        """Make the tiling that a detector's parameters ask for; ``None`` for whole images.

        Raises:
            ConfigError: values that are not allowed.
        """
        return None if tile is None else cls(tile, overlap)

    def side(self, length: int) -> int:
        """Give the side of the tiles of an image that is so many pixels long."""
        return min(self.tile, length)

    def starts(self, length: int) -> list[int]:
        """Give the first pixel of every tile along a side of so many pixels."""
        rest = length - self.tile
        if rest <= 0:
            return [0]
        steps = -(-rest // (self.tile - self.overlap))
        return [step * rest // steps for step in range(steps + 1)]

    def windows(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Give the rows and columns of every tile of an image, row by row."""
        down, across = (
            [slice(start, start + self.side(length)) for start in self.starts(length)]
            for length in (height, width)
        )
        return [(rows, columns) for rows in down for columns in across]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_shape(config: MethodConfig, tile: int | None) -> None:
    """Refuse to keep the shape of what is cut into tiles.

    Raises:
        ConfigError: it is asked for.
    """
    if tile is not None and config.resize == "letterbox":
        raise ConfigError(
            f"resize=letterbox is for whole images, got tile={tile} too: tiles are squares already; leave out one of "
            "--resize letterbox and --tile"
        )
