"""LabelMe: one JSON file for each image, with shapes."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.data.annotations.record import check_size, points_of, stated_size
from twinspect.data.annotations.shapes import MaskCanvas
from twinspect.errors import DataError
from twinspect.images.bounded import stored_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path, PurePath

    from numpy.typing import NDArray

    Points = list[tuple[float, float]]

_LEAST_POINTS = {
    "polygon": 3,
    "rectangle": 2,
    "circle": 2,
    "line": 2,
    "linestrip": 2,
    "point": 1,
    "points": 1,
}


@dataclass(frozen=True)
class LabelMe:
    """The shapes of one file.

    Attributes:
        path: the file.
        record: its content.
    """

    path: Path
    record: dict[str, Any]
    for_one_image: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.record["shapes"], list):
            raise DataError(f"{self.path}: not understood; expected a list of shapes")

    @staticmethod
    def recognises(record: object) -> bool:
        """Whether a file's content is LabelMe's."""
        return isinstance(record, dict) and "shapes" in record

    def name_of(self, image: PurePath) -> str | None:
        """Return what the file calls an image; see :class:`.record.Annotations`."""
        return image.name

    def marked_images(self) -> AbstractSet[str]:
        """Return a name if there is any shape."""
        return {self.path.stem} if self.record["shapes"] else set()

    def labels_of(self, image: PurePath) -> AbstractSet[str]:  # noqa: ARG002 - there is but one
        """Return the labels of its shapes; see :class:`.record.Annotations`."""
        shapes = [shape for shape in self.record["shapes"] if isinstance(shape, dict)]
        return {str(shape["label"]).strip() for shape in shapes if shape.get("label")}

    def labelled(self, keep: Callable[[str], bool]) -> LabelMe:
        """Keep shapes by their label; see :class:`.record.Annotations`."""
        shapes = [
            shape
            for shape in self.record["shapes"]
            if not isinstance(shape, dict) or keep(str(shape.get("label", "")))
        ]
        return replace(self, record={**self.record, "shapes": shapes})

    def only_image(self) -> tuple[PurePath, tuple[int, int]]:
        """Return its image, whatever that is called; see :class:`.record.Annotations`."""
        size = stated_size(str(self.path), self.record.get("imageWidth"), self.record.get("imageHeight"))
        return self.path, size

    def draw(self, image: PurePath, shape: tuple[int, int]) -> NDArray[np.bool_]:  # noqa: ARG002 - there is but one
        """Draw all shapes, whatever their labels; see :class:`.record.Annotations`."""
        check_size(str(self.path), self.record.get("imageWidth"), self.record.get("imageHeight"), shape)
        canvas, marked = MaskCanvas(shape), np.zeros(shape, dtype=np.bool_)
        for number, entry in enumerate(self.record["shapes"], start=1):
            where = f"{self.path}, shape {number}"
            if not isinstance(entry, dict):
                raise DataError(f"{where}: is not an object with points and shape_type")
            points = points_of(entry.get("points"), where)
            if entry.get("shape_type") == "mask":
                _add_bitmap(marked, points, entry.get("mask"), where)
            else:
                _draw_shape(canvas, entry.get("shape_type") or "polygon", points, where)
        return marked | canvas.marked()


def _draw_shape(canvas: MaskCanvas, kind: object, points: Points, where: str) -> None:
    least = _LEAST_POINTS.get(kind) if isinstance(kind, str) else None
    if least is None:
        raise DataError(
            f"{where}: its shape_type is {kind!r}; allowed are {', '.join(_LEAST_POINTS)} and mask"
        )
    if len(points) < least:
        raise DataError(f"{where}: a {kind} of {len(points)} points; it needs {least} or more")
    if kind == "polygon":
        canvas.polygon_area(points, where)
    elif kind == "rectangle":
        canvas.box_area(points[0], points[1], where)
    elif kind == "circle":
        canvas.circle(points[0], points[1])
    elif kind in ("line", "linestrip"):
        canvas.line(points)
    else:
        canvas.points(points)


def _add_bitmap(marked: NDArray[np.bool_], points: Points, encoded: object, where: str) -> None:
    """Add a shape that is a small image of its own, with the corners of its place: both pixels are inside."""
    try:
        content = base64.b64decode(str(encoded), validate=True)
    except binascii.Error:
        raise DataError(f"{where}: its mask is not an image in base64") from None
    height, width = marked.shape
    values = stored_values(where, content=content, indices=True, max_pixels=height * width).values
    if len(points) != 2:
        raise DataError(f"{where}: a mask has {len(points)} points; it needs 2, its corners")
    left, top = (math.floor(value) for value in points[0])
    inside = values.max(axis=-1) > 0
    if left < 0 or top < 0 or top + inside.shape[0] > height or left + inside.shape[1] > width:
        raise DataError(f"{where}: its mask is not within the image of {width} x {height} pixels")
    marked[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside
