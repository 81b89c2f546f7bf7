"""Annotations that were altered or damaged: drawn, or refused in a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from altered import altered, flipped, spliced
from trials import seeds, trying
from twinspect.data.annotations import NotRead, read_annotations
from twinspect.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (40, 60)
CODE = {"size": list(SHAPE), "counts": [100, 40, 2260]}
FLAT = [10.0, 5.0, 50.0, 12.0, 42.0, 33.0]
RECORDS: dict[str, Any] = {
    "COCO": {
        "images": [{"id": 1, "file_name": "7.png", "width": 60, "height": 40}],
        "categories": [{"id": 1, "name": "scratch"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 4], "segmentation": [FLAT]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": CODE},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 4]},
        ],
    },
    "LabelMe": {
        "shapes": [
            {"label": "a", "shape_type": "polygon", "points": [[10, 5], [50, 12], [42, 33]]},
            {"label": "a", "shape_type": "circle", "points": [[10, 5], [50, 12]]},
            {"label": "a", "shape_type": "linestrip", "points": [[10, 5], [50, 12]]},
        ],
        "imageWidth": 60,
        "imageHeight": 40,
    },
}
TEXTS = {
    ".xml": b"<annotation><size><width>60</width><height>40</height></size><object><name>a</name><bndbox>"
    b"<xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>9</ymax></bndbox></object><object><polygon><x1>1</x1>"
    b"<y1>2</y1><x2>9</x2><y2>3</y2><x3>5</x3><y3>30</y3></polygon></object></annotation>",
    ".txt": b"0 0.5 0.5 0.25 0.2\n1 0.1 0.1 0.2 0.1 0.2 0.3\n",
}
PIECES = (
    *(
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"&b;",
        b"</object>",
        b"<object>",
        b"1e308",
        b"nan",
        b"-1",
        b"9" * 400,
    ),
    *(b"\x00", b"\xff", "²".encode(), "٣".encode(), b"0_1", b"inf", b"+", b"."),
)


def draw(path: Path) -> None:
    annotations = read_annotations(path)
    if isinstance(annotations, NotRead):
        assert "\n" not in annotations.reason
        raise DataError(f"{path}: {annotations.reason}")
    annotations.marked_images()
    annotations.labels_of(path.with_name("7.png"))
    kept = annotations.labelled(lambda label: label != "b")
    assert kept.draw(path.with_name("7.png"), SHAPE).shape == SHAPE


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("name", RECORDS)
@seeds(60, 1000)
def test_json(name: str, seeds: range, tmp_path: Path) -> None:
    with trying(f"annotations, {name}") as trial:
        for seed in seeds:
            path = tmp_path / f"{seed}.json"
            path.write_text(json.dumps(altered(RECORDS[name], seed)))
            trial.refusal(seed, lambda path=path: draw(path), DataError)  # type: ignore[misc]
            path.unlink()


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("suffix", TEXTS)
@seeds(60, 1000)
def test_text(suffix: str, seeds: range, tmp_path: Path) -> None:
    with trying(f"annotations, {suffix[1:]}") as trial:
        for seed in seeds:
            path, content = tmp_path / f"{seed}{suffix}", TEXTS[suffix]
            path.write_bytes(flipped(content, seed) if seed % 2 else spliced(content, PIECES, seed))
            trial.refusal(seed, lambda path=path: draw(path), DataError)  # type: ignore[misc]
            path.unlink()
