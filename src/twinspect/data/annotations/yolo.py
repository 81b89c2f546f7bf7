"""YOLO: one text file for each image, a line for each polygon or box, in shares of the image's width and height."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from twinspect.data.annotations.shapes import MaskCanvas
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path, PurePath

    import numpy as np
    from numpy.typing import NDArray

_BEGINNING: Final = 2**12
"""So many bytes of a text file tell whether it is of this format."""
_ROUNDING: Final = 1e-3
"""How far outside of the image coordinates may lie."""
_EXPECTED: Final = (
    "expected a class, then x, y of three or more points, or centre, width, height of a box, from 0 to 1"
)


def reason_against(path: Path) -> str | None:
    """Say by its beginning why a text file is not of this format; ``None`` where it may be: empty, or shares.

    Returns:
        Empty where nothing about it is like this format.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING).decode("utf-8-sig")
    except (OSError, ValueError):
        return ""
    lines = lines_of(beginning)
    if not lines:
        return None
    name, *values = lines[0].split()
    if name.isdecimal() and len(values) >= 2 and all(map(_is_share, values)):
        return None
    is_like_it = name.isdecimal() and len(values) >= 4 and all(map(_is_number, values))
    return (
        f"numbers, but no marks of YOLO: those are shares of the image's sides; {_EXPECTED}"
        if is_like_it
        else ""
    )


def lines_of(text: str) -> tuple[str, ...]:
    """Split a text into its lines, without empty ones."""
    return tuple(line for line in text.splitlines() if line.strip())


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_share(text: str) -> bool:
    try:
        return -_ROUNDING <= float(text) <= 1 + _ROUNDING
    except ValueError:
        return False


@dataclass(frozen=True)
class Yolo:
    """The marks of one file.

    Attributes:
        path: the file.
        record: its lines.
    """

    path: Path
    record: tuple[str, ...]
    for_one_image: bool = True

    @staticmethod
    def recognises(record: object) -> bool:
        """Whether a file's content is that of a text file."""
        return isinstance(record, tuple)

    def name_of(self, image: PurePath) -> str | None:
        """Return what the file calls an image; see :class:`.record.Annotations`."""
        return image.name

    def marked_images(self) -> AbstractSet[str]:
        """Return a name if there is any line."""
        return {self.path.stem} if self.record else set()

    def labels_of(self, image: PurePath) -> AbstractSet[str]:  # noqa: ARG002 - there is but one
        """Return none: classes have numbers, whose names are in another file; see :class:`.record.Annotations`."""
        return set()

    def labelled(self, keep: Callable[[str], bool]) -> Yolo:
        """Keep lines by the numbers of their classes; see :class:`.record.Annotations`."""
        return replace(self, record=tuple(line for line in self.record if keep(line.split()[0])))

    def only_image(self) -> tuple[PurePath, tuple[int, int]]:
        """Refuse: the format does not state the size; see :class:`.record.Annotations`."""
        raise DataError(f"{self.path}: does not say how large its image is")

    def draw(self, image: PurePath, shape: tuple[int, int]) -> NDArray[np.bool_]:  # noqa: ARG002 - there is but one
        """Draw all lines, whatever their classes; see :class:`.record.Annotations`."""
        canvas, (height, width) = MaskCanvas(shape), shape
        for number, line in enumerate(self.record, start=1):
            where = f"{self.path}, mark {number}"
            values = _values(line, where)
            points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
            if len(points) > 2:
                canvas.polygon_area(points, where)
            else:
                (x, y), (across, down) = points
                first, second = (x - across / 2, y - down / 2), (x + across / 2, y + down / 2)
                canvas.box_area(first, second, where)
        return canvas.marked()


def _values(line: str, where: str) -> list[float]:
    """Read the numbers behind the class: 4 of a box, 6 or more of a polygon."""
    name, *texts = line.split()
    if not (name.isdecimal() and all(map(_is_share, texts))):
        raise DataError(f"{where}: is {line.strip()[:60]!r}; {_EXPECTED}")
    if len(texts) < 4 or len(texts) % 2:
        raise DataError(f"{where}: has {len(texts)} numbers behind its class; {_EXPECTED}")
    return [float(text) for text in texts]
