"""Reading annotations: a file of whichever format."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.annotations.coco import Coco
from twinspect.data.annotations.labelme import LabelMe
from twinspect.data.annotations.record import NotRead
from twinspect.data.annotations.voc import Voc, parse_xml
from twinspect.data.annotations.yolo import Yolo, lines_of
from twinspect.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data.annotations.record import Annotations
    from twinspect.data.samples import Sample

FORMATS: Final = (LabelMe, Coco, Voc, Yolo)
_NO_ANNOTATION: Final = (
    "not an annotation by its content; read are LabelMe and COCO (.json), Pascal VOC (.xml) and YOLO (.txt)"
)
_JSON: Final = "JSON"
_KINDS: Final[dict[str, tuple[str, int]]] = {".xml": ("XML", 2**24), ".txt": ("text", 2**24)}
"""What files are by their endings, all others being JSON, and how many bytes are read of them at most: the content
takes several times as much memory, and these two are about one image."""
_MOST_BYTES: Final = 2**29
"""Of JSON."""


def read_annotations(path: Path) -> Annotations | NotRead:
    """Read a file, or say why it gives no annotations."""
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size) or NotRead(_NO_ANNOTATION, is_damaged=False)
    except OSError as error:
        return NotRead(f"cannot be read: {error.strerror}", is_damaged=True)
    except DataError as error:
        return NotRead(str(error).removeprefix(f"{path}: "), is_damaged=True)


def read_annotated_mask(path: Path, sample: Sample, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw what a file marks of an image.

    Args:
        path: the file.
        sample: the image.
        shape: its (height, width), upright.

    Returns:
        (H, W) bool.

    Raises:
        DataError: the file cannot be read, or does not fit the image.
    """
    annotations = read_annotations(path)
    if isinstance(annotations, NotRead):
        raise DataError(f"{path}: {annotations.reason}")
    return annotations.draw(sample.path, shape)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> Annotations | None:  # noqa: ARG001 - a changed file is another
    kind, most = _KINDS.get(path.suffix.lower(), (_JSON, _MOST_BYTES))
    if size > most:
        raise DataError(f"{path}: has {size:,} bytes; allowed are at most {most:,}")
    try:
        record = _parse(path.read_bytes(), kind)
    except (ValueError, RecursionError) as error:
        detail = f"{type(error).__name__}" if kind == _JSON else f"{error}"
        raise DataError(f"{path}: cannot be read as {kind}: {detail}") from None
    for annotation_format in FORMATS:
        if annotation_format.recognises(record):
            return annotation_format(path, record)
    return None


def _parse(content: bytes, kind: str) -> Any:
    if kind == _JSON:
        return json.loads(content)
    return parse_xml(content) if kind == "XML" else lines_of(content.decode("utf-8-sig"))
