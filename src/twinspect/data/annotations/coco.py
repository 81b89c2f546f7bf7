"""COCO: one JSON file for many images, with polygons, run-length codes or boxes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np

from twinspect.data.annotations.record import check_size, points_of, stated_size
from twinspect.data.annotations.run_lengths import decode_run_lengths
from twinspect.data.annotations.shapes import MaskCanvas
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path, PurePath

    from numpy.typing import NDArray

    Record = dict[str, Any]


@dataclass(frozen=True)
class Coco:
    """The images and annotations of one file.

    Attributes:
        path: the file.
        record: its content.
        images: its entries of images by ``file_name``, with forward slashes.
        marks: the annotations of each image by its id, as text: some tools write numbers in one place and text in
            the other.
    """

    path: Path
    record: Record
    for_one_image: bool = False
    images: dict[str, Record] = field(default_factory=dict, init=False)
    marks: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list), init=False)
    _by_last_name: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list), init=False)

    def __post_init__(self) -> None:
        try:
            for entry in self.record["images"]:
                name = normalize("NFC", entry["file_name"].replace("\\", "/"))
                self.images[name] = entry
                _id_text(entry["id"])
                self._by_last_name[PurePosixPath(name).name].append(name)
            for entry in self.record["annotations"]:
                self.marks[_id_text(entry["image_id"])].append(entry)
        except (KeyError, TypeError, AttributeError) as error:
            expected = "images with id and file_name, and annotations with image_id"
            raise DataError(
                f"{self.path}: not understood ({type(error).__name__}: {error}); expected {expected}"
            ) from None

    @staticmethod
    def recognises(record: object) -> bool:
        """Whether a file's content is COCO's."""
        return isinstance(record, dict) and "images" in record and "annotations" in record

    def name_of(self, image: PurePath) -> str | None:
        """Find the image whose name agrees with the end of the path; the longest such name, if it is only one."""
        parts = tuple(normalize("NFC", part) for part in image.parts)
        names = self._by_last_name.get(parts[-1], [])
        agreeing = [
            name for name in names if parts[-len(PurePosixPath(name).parts) :] == PurePosixPath(name).parts
        ]
        longest = max((name.count("/") for name in agreeing), default=0)
        best = [name for name in agreeing if name.count("/") == longest]
        # The names may begin at a folder that was renamed since.
        candidates = best or names
        return candidates[0] if len(candidates) == 1 else None

    def marked_images(self) -> AbstractSet[str]:
        """Return the names of images with an annotation; of one that is not listed, its id."""
        marked = {name for name, entry in self.images.items() if _id_text(entry["id"]) in self.marks}
        listed = {_id_text(entry["id"]) for entry in self.images.values()}
        return marked | {f"image_id {number}" for number in self.marks if number not in listed}

    def labels_of(self, image: PurePath) -> AbstractSet[str]:
        """Return the names of the categories of an image's annotations; see :class:`.record.Annotations`."""
        name = self.name_of(image)
        marks = self.marks.get(_id_text(self.images[name]["id"]), []) if name else []
        return {self._category_names.get(str(mark.get("category_id")), "").strip() for mark in marks} - {""}

    def labelled(self, keep: Callable[[str], bool]) -> Coco:
        """Keep annotations by their category's name; see :class:`.record.Annotations`."""
        names = self._category_names
        kept = [
            entry
            for entry in self.record["annotations"]
            if keep(names.get(str(entry.get("category_id")), ""))
        ]
        return replace(self, record={**self.record, "annotations": kept})

    @cached_property
    def _category_names(self) -> dict[str, str]:
        categories = self.record.get("categories")
        listed = categories if isinstance(categories, list) else []
        return {str(each.get("id")): str(each.get("name", "")) for each in listed if isinstance(each, dict)}

    def only_image(self) -> tuple[PurePath, tuple[int, int]]:
        """Return its image; see :class:`.record.Annotations`."""
        if len(self.images) != 1:
            raise DataError(
                f"{self.path}: is about {len(self.images)} images; for all images, give a file about one"
            )
        ((name, entry),) = self.images.items()
        return PurePosixPath(name), stated_size(str(self.path), entry.get("width"), entry.get("height"))

    def draw(self, image: PurePath, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw all annotations of an image, whatever their categories; see :class:`.record.Annotations`."""
        name = self.name_of(image)
        if name is None:
            raise DataError(f"{self.path}: has no image called {image.name!r}")
        entry = self.images[name]
        check_size(f"{self.path}, {name!r}", entry.get("width"), entry.get("height"), shape)
        canvas, marked = MaskCanvas(shape), np.zeros(shape, dtype=np.bool_)
        for mark in self.marks.get(_id_text(entry["id"]), []):
            where = f"{self.path}, annotation {mark.get('id', '')} of {name!r}"
            marked |= _draw_mark(mark, canvas, shape, where)
        return marked | canvas.marked()


def _id_text(value: object) -> str:
    if not isinstance(value, (int, float, str)):
        raise TypeError(f"an id is {value!r}")
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _draw_mark(
    mark: Record, canvas: MaskCanvas, shape: tuple[int, int], where: str
) -> NDArray[np.bool_] | np.bool_:
    """Draw polygons and boxes into the canvas; return run-length codes decoded."""
    segmentation = mark.get("segmentation")
    if isinstance(segmentation, dict):
        return decode_run_lengths(segmentation, shape, where)
    if isinstance(segmentation, list) and segmentation:
        for numbers in segmentation:
            canvas.polygon_area(_polygon(numbers, where), where)
    elif segmentation in (None, []):
        _draw_box(mark.get("bbox"), canvas, where)
    else:
        raise DataError(f"{where}: its segmentation is neither polygons nor a run-length code")
    return np.False_


def _polygon(numbers: Any, where: str) -> list[tuple[float, float]]:
    if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
        raise DataError(f"{where}: a polygon is not a list [x1, y1, x2, y2, ...] of three points or more")
    return points_of(list(zip(numbers[::2], numbers[1::2], strict=True)), where)


def _draw_box(box: Any, canvas: MaskCanvas, where: str) -> None:
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{where}: has neither a segmentation nor a bbox [x, y, width, height]")
    (left, top), (width, height) = points_of([box[:2], box[2:]], where)
    if width <= 0 or height <= 0:
        raise DataError(f"{where}: its bbox is {width:g} x {height:g}; both must be above 0")
    canvas.box_area((left, top), (left + width, top + height), where)
