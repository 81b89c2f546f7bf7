"""Reading a region of interest: a mask image, or a JSON file of polygons, LabelMe's or COCO's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.annotations import NotRead, read_annotations
from twinspect.data.listing import ANNOTATION_SUFFIX
from twinspect.errors import DataError
from twinspect.images.gif import is_gif, read_gif
from twinspect.images.reading import image_size, read_mask
from twinspect.regions.areas import Region
from twinspect.regions.polygons import is_polygons, region_of_polygons

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data.annotations import Annotations

IGNORED: Final = frozenset({"ignore", "ignored", "dont_care", "don't care", "dontcare"})
"""Labels of LabelMe, and categories of COCO, that mark what is not looked at; all others mark what is."""
_MOST_BYTES: Final = 2**24


class _RepeatedNameError(ValueError):
    """A JSON object holds a name twice."""


def read_region(path: Path, image: PurePath | None = None, shape: tuple[int, int] | None = None) -> Region:
    """Read which part of images is looked at.

    In a mask image, all pixels but black ones are; see :func:`twinspect.images.reading.read_mask`. Polygons in
    relative coordinates fit images of any size, all else those of its own size.

    Args:
        path: a mask image, or a JSON file: polygons in relative coordinates, LabelMe's or COCO's.
        image: which image it is for, by which a COCO file finds it; ``None`` for all images.
        shape: (height, width) of that image; ``None`` for the size that the file states.

    Raises:
        DataError: the file cannot be read, is for an image of another size, or leaves nothing to look at.
    """
    if path.suffix.lower() != ANNOTATION_SUFFIX:
        return _region(path, read_mask(path, shape or _mask_size(path)))
    record = _read_json(path)
    if is_polygons(record):
        return region_of_polygons(record, str(path))
    annotations = read_annotations(path)
    if isinstance(annotations, NotRead):
        raise DataError(
            f"{path}: no region of interest; allowed are a mask image, and JSON of polygons in relative coordinates "
            f'({{"look": ..., "ignore": ...}}), LabelMe or COCO'
        )
    return _region(path, _draw(path, annotations, image, shape))


def _draw(
    path: Path, annotations: Annotations, image: PurePath | None, shape: tuple[int, int] | None
) -> NDArray[np.bool_]:
    """Draw what is looked at: what is marked, or everything where only ignored areas are, without these."""
    if image is None or shape is None:
        image, shape = annotations.only_image()
    ignored = annotations.labelled(lambda label: label.casefold() in IGNORED)
    looked_at = annotations.labelled(lambda label: label.casefold() not in IGNORED)
    if not ignored.marked_images() and not looked_at.marked_images():
        raise DataError(f"{path}: marks nothing to look at and nothing to ignore")
    hidden = ignored.draw(image, shape)
    return (looked_at.draw(image, shape) if looked_at.marked_images() else ~hidden) & ~hidden


def _region(path: Path, mask: NDArray[np.bool_]) -> Region:
    try:
        return Region(mask, any_size=False)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _mask_size(path: Path) -> tuple[int, int]:
    if is_gif(path):
        height, width = read_gif(path).values.shape[:2]
        return height, width
    return image_size(path)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that holds a name twice, of which JSON's reader would take the last."""
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedNameError(next(name for name in names if names.count(name) > 1))
    return record


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None  # of COCO, which has a limit of its own
        return json.loads(path.read_bytes(), object_pairs_hook=_without_repetition)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except _RepeatedNameError as error:
        raise DataError(f"{path}: holds {error.args[0]!r} twice; join both, or delete one") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {type(error).__name__}") from error
