"""Drawing one defect of a kind and size: an outline, a place on the object, and a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.synthesis.boxes import Box, box_around
from twinspect.synthesis.defects import shapes, surfaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twinspect.synthesis.defects.canvas import Canvas

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

PLACES: Final = 4
"""How many random places are compared; the one where most of the defect lies on the object is taken."""


@dataclass(frozen=True)
class Defect:
    """A kind of defect.

    Attributes:
        plural: what several of it are called.
        shape: covers pixels; see :mod:`.shapes`.
        surface: what is seen there; see :mod:`.surfaces`.
        at_outline: whether it lies at the edge of the object, where pieces break off.
    """

    plural: str
    shape: Callable[[float, Random], Floats]
    surface: Callable[[Canvas, Box, Random], Floats]
    at_outline: bool = False


DEFECTS: Final = {
    "spot": Defect("spots", shapes.disc, surfaces.plain),
    "scratch": Defect("scratches", shapes.line, surfaces.shifted),
    "missing_piece": Defect("missing pieces", shapes.blob, surfaces.missing, at_outline=True),
    "stain": Defect("stains", shapes.soft_blob, surfaces.tinted),
    "texture_change": Defect("texture changes", shapes.blob, surfaces.other_texture),
}


def draw_defect(canvas: Canvas, kind: str, size: float, random: Random) -> Pixels:
    """Draw one defect.

    The same random state draws the same defect at about the same place, whatever the size.

    Args:
        canvas: the good image.
        kind: one of :data:`DEFECTS`.
        size: the defect's longest extent as a share of the square root of the image's area. Where the object ends,
            so does the defect.
        random: decides the rest.

    Returns:
        (H, W, 3) uint8 RGB; a new image.
    """
    defect = DEFECTS[kind]
    places = random.choice(canvas.outline if defect.at_outline else canvas.places, PLACES)
    cover = defect.shape(size * canvas.side, random)
    boxes = [_box(int(place), cover, canvas) for place in places]
    covers = [cover[: box.height, : box.width] * canvas.foreground[box.window] for box in boxes]
    best = int(np.argmax([covered.sum() for covered in covers]))
    box, share = boxes[best], covers[best][..., None]
    drawn: Pixels = canvas.pixels.copy()
    before = drawn[box.window].astype(np.float32)
    after = np.clip(defect.surface(canvas, box, random), 0, 255)
    drawn[box.window] = np.rint(before + share * (after - before)).astype(np.uint8)
    return drawn


def _box(place: int, cover: Floats, canvas: Canvas) -> Box:
    shape = canvas.foreground.shape[0], canvas.foreground.shape[1]
    row, column = divmod(place, shape[1])
    return box_around((row, column), (cover.shape[0], cover.shape[1]), shape)
