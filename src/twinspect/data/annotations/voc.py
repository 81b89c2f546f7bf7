"""Pascal VOC: one XML file for each image, with objects that have a box or a polygon."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from twinspect.data.annotations.record import check_size, points_of, stated_size
from twinspect.data.annotations.shapes import MaskCanvas
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path, PurePath

    import numpy as np
    from numpy.typing import NDArray

_ENDS: Final = ("xmin", "ymin", "xmax", "ymax")


def parse_xml(content: bytes) -> ET.Element:
    """Parse XML without a document type, in which alone entities can be defined.

    Raises:
        ValueError: it is damaged, or has a document type.
    """
    builder, parser = ET.TreeBuilder(), expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError) as error:  # the latter: an encoding that does not exist
        raise ValueError(str(error)) from None
    return builder.close()


def _refuse_document_type(*_: object) -> None:
    raise ValueError("a document type")


@dataclass(frozen=True)
class Voc:
    """The objects of one file.

    Attributes:
        path: the file.
        record: its content.
    """

    path: Path
    record: ET.Element
    for_one_image: bool = True

    @staticmethod
    def recognises(record: object) -> bool:
        """Whether a file's content is Pascal VOC's."""
        return isinstance(record, ET.Element) and record.tag == "annotation"

    def name_of(self, image: PurePath) -> str | None:
        """Return what the file calls an image; see :class:`.record.Annotations`."""
        return image.name

    def marked_images(self) -> AbstractSet[str]:
        """Return a name if there is any object."""
        return set() if self.record.find("object") is None else {self.path.stem}

    def labels_of(self, image: PurePath) -> AbstractSet[str]:  # noqa: ARG002 - there is but one
        """Return the names of its objects; see :class:`.record.Annotations`."""
        return {name.strip() for each in self.record.iterfind("object") if (name := each.findtext("name"))}

    def labelled(self, keep: Callable[[str], bool]) -> Voc:
        """Keep objects by their names; see :class:`.record.Annotations`."""
        record = ET.Element(self.record.tag)
        record.extend(each for each in self.record if each.tag != "object" or keep(each.findtext("name", "")))
        return replace(self, record=record)

    def only_image(self) -> tuple[PurePath, tuple[int, int]]:
        """Return its image, whatever that is called; see :class:`.record.Annotations`."""
        return self.path, stated_size(str(self.path), *self._stated_size())

    def draw(self, image: PurePath, shape: tuple[int, int]) -> NDArray[np.bool_]:  # noqa: ARG002 - there is but one
        """Draw all objects, whatever their names; see :class:`.record.Annotations`."""
        check_size(str(self.path), *self._stated_size(), shape)
        canvas = MaskCanvas(shape)
        for number, marked in enumerate(self.record.iterfind("object"), start=1):
            where = f"{self.path}, object {number}"
            if (polygon := marked.find("polygon")) is not None:
                canvas.polygon_area(corners_of(polygon, where), where)
            else:
                _draw_box(marked.find("bndbox"), canvas, where)
        return canvas.marked()

    def _stated_size(self) -> tuple[int | None, int | None]:
        """Return width and height; ``None`` where they are not stated, for which some tools write 0."""
        return self._side("width"), self._side("height")

    def _side(self, name: str) -> int | None:
        text = self.record.findtext(f"size/{name}", "").strip()
        whole, _, share = text.partition(".")  # some tools write 640.0
        return (
            (int(whole) or None) if whole.isdecimal() and len(whole) < 10 and not share.strip("0") else None
        )


def corners_of(polygon: ET.Element, where: str) -> list[tuple[float, float]]:
    """Read the corners ``x1``, ``y1``, ``x2`` and so on."""
    # By name, since looking for each would take the square of their number.
    texts = {each.tag: each.text for each in polygon}
    points: list[tuple[float, float]] = []
    for number in count(1):
        names = f"x{number}", f"y{number}"
        if names[0] not in texts:
            break
        x, y = (_as_number(texts.get(name), name, where) for name in names)
        points.append((x, y))
    if len(points) < 3:
        raise DataError(f"{where}: a polygon of {len(points)} points; it needs 3 or more, as x1, y1, x2, ...")
    return points_of(points, where)


def _draw_box(box: ET.Element | None, canvas: MaskCanvas, where: str) -> None:
    """Draw a box, of which both ends are pixels inside and the first pixel of an image is 1."""
    if box is None:
        raise DataError(f"{where}: has neither a bndbox nor a polygon")
    left, top, right, bottom = (_number(box, name, where) for name in _ENDS)
    points_of([(left, top), (right, bottom)], where)
    if right < left or bottom < top:
        raise DataError(
            f"{where}: its bndbox ends before it begins; xmax and ymax must not be below xmin and ymin"
        )
    canvas.box_area((left - 1, top - 1), (right, bottom), where)


def _number(parent: ET.Element, name: str, where: str) -> float:
    return _as_number(parent.findtext(name), name, where)


def _as_number(text: str | None, name: str, where: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}: its {name} is {text!r}; expected a number of pixels") from None
