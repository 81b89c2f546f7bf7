"""Annotation files as masks, against shapes drawn by other means, and their one-line errors."""

from __future__ import annotations

import base64
import io
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask
from skimage.morphology import dilation, erosion

from twinspect.data import open_data
from twinspect.data.annotations import NotRead, read_annotations
from twinspect.data.annotations.run_lengths import decode_run_lengths
from twinspect.data.annotations.voc import Voc, corners_of
from twinspect.data.pixels import read_truth
from twinspect.data.summary import summarize
from twinspect.errors import DataError
from twinspect.evaluation.labelled_set import open_test_set

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data import Sample

SHAPE = (40, 60)
CORNERS = [[10.0, 5.0], [50.0, 12.0], [42.0, 33.0], [14.0, 30.0]]
"""(x, y) of a polygon."""


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SHAPE[::-1], (90, 90, 90)).save(path)


def write(path: Path, record: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record if isinstance(record, str) else json.dumps(record))


def labelme(*shapes: dict[str, Any], size: tuple[int, int] = SHAPE) -> dict[str, Any]:
    return {"version": "5.4", "shapes": list(shapes), "imageHeight": size[0], "imageWidth": size[1]}


def shape(kind: str, points: object, **more: object) -> dict[str, Any]:
    return {"label": "scratch", "shape_type": kind, "points": points, **more}


def one_defect(root: Path, record: object, name: str = "test/scratch/7.json") -> Sample:
    """An image with a file beside it, or elsewhere."""
    picture(root / "train/good/0.png")
    picture(root / "test/scratch/7.png")
    write(root / name, record)
    (sample,) = (sample for sample in open_data(root) if not sample.is_good)
    return sample


def assert_same_but_for_the_edge(marked: NDArray[np.bool_], expected: NDArray[np.bool_]) -> None:
    """Whether pixels cut by the outline count is a matter of convention."""
    box = np.ones((3, 3), dtype=bool)
    assert not (marked & ~dilation(expected, box)).any()
    assert not (erosion(expected, box) & ~marked).any()


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Count runs down the columns, one pixel after the other."""
    counts, current = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if mask[y, x] != current:
                counts.append(0)
                current = not current
            counts[-1] += 1
    return counts


def as_text(counts: list[int]) -> str:
    """COCO's text of counts, after the description in its documentation."""
    text = ""
    for number, count in enumerate(counts):
        value = count - (counts[number - 2] if number > 2 else 0)
        more = True
        while more:
            part = value & 31
            value >>= 5
            more = value != (-1 if part & 16 else 0)
            text += chr(part + 32 * more + 48)
    return text


# -------------------------------------------------------------------------------------------------- LabelMe


@pytest.mark.parametrize("name", ["test/scratch/7.json", "ground_truth/scratch/7.json", "labels/7.json"])
def test_a_polygon_of_labelme(tmp_path: Path, name: str) -> None:
    sample = one_defect(tmp_path, labelme(shape("polygon", CORNERS)), name)
    assert sample.masks == (tmp_path / name,)
    expected = polygon2mask(SHAPE, [(y, x) for x, y in CORNERS])
    assert_same_but_for_the_edge(read_truth(sample, SHAPE), expected)


def test_other_shapes_of_labelme(tmp_path: Path) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rectangle = (y >= 3) & (y <= 9) & (x >= 4) & (x <= 20)
    circle = np.hypot(y - 25, x - 15) <= 8
    line = (np.abs(y - 20) <= 5) & (x >= 35) & (x <= 55)
    point = np.hypot(y - 35, x - 50) <= 5
    drawn = {
        "rectangle": ([[20, 9], [4, 3]], rectangle),
        "circle": ([[15, 25], [15, 33]], circle),
        "linestrip": ([[35, 20], [45, 20], [55, 20]], line),
        "point": ([[50, 35]], point),
    }
    for number, (kind, (points, expected)) in enumerate(drawn.items()):
        sample = one_defect(tmp_path / str(number), labelme(shape(kind, points)))
        assert_same_but_for_the_edge(read_truth(sample, SHAPE), expected)
    everything = labelme(*(shape(kind, points) for kind, (points, _) in drawn.items()))
    together = read_truth(one_defect(tmp_path / "all", everything), SHAPE)
    assert_same_but_for_the_edge(together, rectangle | circle | line | point)


def test_a_bitmap_of_labelme(tmp_path: Path) -> None:
    inside = np.random.default_rng(0).random((9, 12)) > 0.5
    stream = io.BytesIO()
    Image.fromarray(inside).save(stream, "PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    sample = one_defect(tmp_path, labelme(shape("mask", [[30, 8], [41, 16]], mask=encoded)))
    expected = np.zeros(SHAPE, dtype=bool)
    expected[8:17, 30:42] = inside
    np.testing.assert_array_equal(read_truth(sample, SHAPE), expected)


def test_a_file_without_shapes_marks_nothing(tmp_path: Path) -> None:
    sample = one_defect(tmp_path, labelme())
    assert sample.masks == ()
    assert open_data(tmp_path).skipped == ()


def test_marked_images_of_a_plain_folder_are_defective(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png")
    write(tmp_path / "2.json", labelme(shape("polygon", CORNERS)))
    write(tmp_path / "3.json", labelme())
    data = open_data(tmp_path)
    assert [(s.name, s.split, s.label) for s in data] == [
        ("0.png", "train", "good"),
        ("1.png", "train", "good"),
        ("3.png", "train", "good"),
        ("2.png", "test", "scratch"),
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["dent"], "dent"),
        ([" dent ", "dent"], "dent"),
        (["dent", "scratch"], "defect"),
        ([""], "defect"),
        ([None], "defect"),
        (["OK"], "defect"),  # what it marks is not good
        (["x" * 101], "defect"),
    ],
)
@pytest.mark.parametrize("kind", ["labelme", "coco", "voc"])
def test_the_kind_of_defect_is_what_all_marks_call_it(
    tmp_path: Path, labels: list[Any], expected: str, kind: str
) -> None:
    picture(tmp_path / "0.png")
    picture(tmp_path / "1.png")
    records = {
        "labelme": labelme(*(shape("polygon", CORNERS) | {"label": label} for label in labels)),
        "coco": coco(*({"bbox": [1, 2, 3, 4], "category_id": n} for n in range(len(labels))), name="1.png")
        | {"categories": [{"id": n, "name": label or ""} for n, label in enumerate(labels)]},
        "voc": voc(*(f"{bndbox(1, 1, 4, 4)}" for _ in labels)),
    }
    content = records[kind]
    if kind == "voc":
        for label in labels:
            content = content.replace("<name>scratch</name>", f"<name>{label or ''}</name>", 1)
    write(tmp_path / f"1.{'xml' if kind == 'voc' else 'json'}", content)
    assert [sample.label for sample in open_data(tmp_path)] == ["good", expected]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            labelme(shape("polygon", CORNERS), size=(9, 9)),
            "is for an image of 9 x 9 pixels, but it is 60 x 40",
        ),
        (labelme(shape("polygon", [[1, 2], [3, 4]])), "shape 1: a polygon of 2 points; it needs 3 or more"),
        (labelme(shape("polygon", "abc")), "its points are not a list of pairs"),
        (labelme(shape("polygon", [["1", 2], [3, 4], [5, 9]])), "its points are not a list of pairs"),
        (labelme(shape("polygon", [[True, 2], [3, 4], [5, 9]])), "its points are not a list of pairs"),
        (labelme(shape("polygon", [[1, float("nan")]] * 3)), "has a coordinate that is not a number"),
        (labelme(shape("polygon", [[1, 1e300]] * 3)), "has a coordinate that is not a number of pixels"),
        (labelme(shape("polygon", None)), "its points are not a list of pairs"),
        (labelme(shape("spline", CORNERS)), "its shape_type is 'spline'; allowed are polygon, rectangle"),
        (labelme(shape("mask", [[0, 0], [1, 1]], mask="%")), "its mask is not an image in base64"),
        (labelme(shape("mask", [[0, 0], [1, 1]], mask="aGVsbG8=")), "is not an image that can be read"),
        ({"shapes": [7]}, "shape 1: is not an object"),
    ],
)
def test_damaged_labelme_files_are_one_line(tmp_path: Path, record: object, message: str) -> None:
    sample = one_defect(tmp_path, record)
    with pytest.raises(DataError) as error:
        read_truth(sample, SHAPE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bitmap_larger_than_the_image_is_not_decoded(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("1", (4000, 4000)).save(stream, "PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    sample = one_defect(tmp_path, labelme(shape("mask", [[0, 0], [3999, 3999]], mask=encoded)))
    with pytest.raises(DataError, match="too large: 4000 x 4000 pixels"):
        read_truth(sample, SHAPE)


@pytest.mark.parametrize("content", ["7", "[1, 2]", '{"exposure": 3}'])
def test_json_that_marks_nothing_is_left_out(tmp_path: Path, content: str) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "0.json").write_text(content)
    data = open_data(tmp_path)
    assert len(data) == 1
    assert [skipped.path.name for skipped in data.skipped] == ["0.json"]
    assert data.skipped[0].reason.startswith("not an annotation by its content")


DAMAGED = [
    "",
    "{",
    "[" * 100_000,
    '{"shapes": 3}',
    '{"shapes": [',
    '{"images": 3, "annotations": []}',
    "\xff",
]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("folder", ["", "train/"])
def test_an_image_with_a_damaged_annotation_is_not_learnt_from(
    tmp_path: Path, content: str, folder: str
) -> None:
    for number in range(3):
        picture(tmp_path / f"{folder}{number}.png")
    (tmp_path / f"{folder}2.json").write_text(content, encoding="latin-1")
    data = open_data(tmp_path)
    assert [s.path.name for s in data] == ["0.png", "1.png"]
    (skipped,) = data.skipped
    assert skipped.path.name == "2.png"
    assert skipped.reason.startswith("its annotation cannot be read, so it may be defective; repair 2.json: ")
    assert "\n" not in skipped.reason
    assert summarize(data).endswith(
        "2 good to train; 1 left out: its annotation cannot be read, so it may be defective"
    )


def test_an_image_with_a_damaged_annotation_can_be_scored_but_not_evaluated(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    picture(tmp_path / "1.png")
    (tmp_path / "1.json").write_text('{"shapes": [')
    first, second = open_data(tmp_path, split="test")
    assert (first.label, second.is_good) == ("good", False) or (second.label, first.is_good) == (
        "good",
        False,
    )
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_truth(next(sample for sample in (first, second) if not sample.is_good), SHAPE)


def test_folders_label_images_with_damaged_annotations(tmp_path: Path) -> None:
    picture(tmp_path / "good/0.png")
    picture(tmp_path / "bad/1.png")
    (tmp_path / "bad/1.json").write_text('{"shapes": [')
    data = open_data(tmp_path)
    assert [(s.label, s.masks) for s in data] == [("good", ()), ("bad", ())]
    assert [skipped.path.name for skipped in data.skipped] == ["1.json"]


@pytest.mark.parametrize("name", ["annotations.json", "labels/instances.json", "export.json"])
def test_a_damaged_file_about_unknown_images_is_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "images/0.png")
    picture(tmp_path / "images/1.png")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"images": [{"id": 1, "file_na')
    with pytest.raises(DataError, match="may mark defects in any image beside it; repair it") as error:
        open_data(tmp_path)
    assert "\n" not in str(error.value)
    assert len(open_data(tmp_path, split="test")) == 2
    with pytest.raises(DataError, match="may mark defects in any image beside it"):
        open_test_set(tmp_path)


def test_a_damaged_file_of_something_else_is_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "settings.json").write_text('{"exposure": ')
    assert len(open_data(tmp_path)) == 1
    assert [skipped.reason for skipped in open_data(tmp_path).skipped] == [
        "cannot be read as JSON: JSONDecodeError"
    ]


# ----------------------------------------------------------------------------------------------------- COCO


def coco(*marks: dict[str, Any], name: str = "scratch/7.png", **size: int) -> dict[str, Any]:
    image = {"id": 1, "file_name": name, "height": SHAPE[0], "width": SHAPE[1], **size}
    return {"images": [image], "annotations": [{"id": 5, "image_id": 1, **mark} for mark in marks]}


@pytest.mark.parametrize(
    "place", ["annotations.json", "ground_truth/instances.json", "test/_annotations.coco.json"]
)
@pytest.mark.parametrize("name", ["7.png", "scratch/7.png", "test\\scratch\\7.png", "/old/disk/7.png"])
def test_polygons_of_coco(tmp_path: Path, place: str, name: str) -> None:
    other = [[2, 20, 12, 20, 12, 38, 2, 38]]
    flat = [[value for point in CORNERS for value in point]]
    sample = one_defect(tmp_path, coco({"segmentation": flat}, {"segmentation": other}, name=name), place)
    assert sample.masks == (tmp_path / place,)
    # A pixel is marked where its centre is inside.
    expected = np.zeros(SHAPE, dtype=bool)
    for y, x in np.ndindex(*SHAPE):
        expected[y, x] = is_inside(x + 0.5, y + 0.5, CORNERS) or (20 <= y < 38 and 2 <= x < 12)
    np.testing.assert_array_equal(read_truth(sample, SHAPE), expected)


def is_inside(x: float, y: float, corners: list[list[float]]) -> bool:
    """Whether a point is on the same side of all edges of a convex polygon, given clockwise."""
    edges = zip(corners, corners[1:] + corners[:1], strict=True)
    return all((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) > 0 for (x1, y1), (x2, y2) in edges)


def test_the_same_polygon_covers_the_same_pixels_in_every_format(tmp_path: Path) -> None:
    flat = [value for point in CORNERS for value in point]
    shares = " ".join(str(value / SHAPE[1 - axis % 2]) for axis, value in enumerate(flat))
    numbered = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(CORNERS, start=1))
    samples = [
        one_defect(tmp_path / "coco", coco({"segmentation": [flat]}), "instances.json"),
        one_defect(tmp_path / "labelme", labelme(shape("polygon", CORNERS))),
        one_defect(tmp_path / "voc", voc(f"<polygon>{numbered}</polygon>"), "labels/7.xml"),
        one_defect(tmp_path / "yolo", f"0 {shares}\n", "labels/7.txt"),
    ]
    first, *others = (read_truth(sample, SHAPE) for sample in samples)
    assert first.sum() > 500
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_a_polygon_thinner_than_a_pixel_marks_its_outline(tmp_path: Path) -> None:
    thin = {"segmentation": [[5, 10.1, 30, 10.1, 30, 10.2, 5, 10.2]]}
    marked = read_truth(one_defect(tmp_path, coco(thin), "instances.json"), SHAPE)
    assert np.argwhere(marked).tolist() == [[10, x] for x in range(5, 31)]


@pytest.mark.parametrize("text", [False, True])
def test_run_length_codes_of_coco(tmp_path: Path, text: bool) -> None:
    expected = np.random.default_rng(1).random(SHAPE) > 0.7
    expected[:, 20:50] = False  # a long run
    expected[0, 0] = True
    counts = run_lengths(expected)
    code = {"size": list(SHAPE), "counts": as_text(counts) if text else counts}
    sample = one_defect(tmp_path, coco({"segmentation": code, "iscrowd": 1}), "instances.json")
    np.testing.assert_array_equal(read_truth(sample, SHAPE), expected)


def test_a_text_that_pycocotools_wrote() -> None:
    # Counts 6, 1, 40, 4, 5, 4, 5, 4, 21 of a 9 x 10 mask have this text by pycocotools 2.0.
    mask = decode_run_lengths({"size": [9, 10], "counts": "61X13mN000`0"}, (9, 10), "x")
    flat = np.repeat([0, 1, 0, 1, 0, 1, 0, 1, 0], [6, 1, 40, 4, 5, 4, 5, 4, 21]).astype(bool)
    np.testing.assert_array_equal(mask, flat.reshape(10, 9).T)


def test_boxes_of_coco(tmp_path: Path) -> None:
    sample = one_defect(tmp_path, coco({"bbox": [10, 4, 20, 8], "segmentation": []}), "instances.json")
    expected = np.zeros(SHAPE, dtype=bool)
    expected[4:12, 10:30] = True
    np.testing.assert_array_equal(read_truth(sample, SHAPE), expected)


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("train/good/0.png", "test/good/7.png", "test/scratch/7.png", "test/stain/7.png"):
        picture(tmp_path / name)
    images = [{"id": number, "file_name": f"{kind}/7.png"} for number, kind in enumerate(KINDS)]
    marks = [{"image_id": number, "bbox": [number, 0, 3, 3]} for number in range(3)]
    write(tmp_path / "instances.json", {"images": images, "annotations": marks})
    data = open_data(tmp_path)
    for sample in data.split("test"):
        columns = np.flatnonzero(read_truth(sample, SHAPE).any(axis=0)).tolist()
        assert columns == {"good": [], "scratch": [0, 1, 2], "stain": [1, 2, 3]}[sample.label]
    assert [skipped.reason for skipped in data.skipped] == [
        "marks images that are not there: 1, such as 'gone/7.png'"
    ]


@pytest.mark.parametrize(("image_id", "mark_id"), [("7", 7), (7, "7"), (7, 7.0), ("a7", "a7")])
def test_ids_agree_as_text(tmp_path: Path, image_id: object, mark_id: object) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    record = {
        "images": [{"id": image_id, "file_name": "2.png"}],
        "annotations": [{"image_id": mark_id, "bbox": [1, 2, 3, 4]}],
    }
    write(tmp_path / "instances.json", record)
    data = open_data(tmp_path)
    (defect,) = data.split("test")
    assert (defect.name, defect.label) == ("2.png", "defect")
    assert read_truth(defect, SHAPE).sum() == 12
    assert data.skipped == ()


def test_marks_of_images_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    marks = [{"image_id": number, "bbox": [1, 2, 3, 4]} for number in (99, 99, "x")]
    write(tmp_path / "instances.json", {"images": [{"id": 1, "file_name": "0.png"}], "annotations": marks})
    assert [skipped.reason for skipped in open_data(tmp_path).skipped] == [
        "marks images that are not there: 2, such as 'image_id 99'"
    ]


def test_names_with_accents_agree_in_any_form(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "b\u00e9") for form in ("NFC", "NFD"))
    picture(tmp_path / f"{apart}.png")
    picture(tmp_path / "0.png")
    write(tmp_path / "instances.json", coco({"bbox": [1, 2, 3, 4]}, name=f"{composed}.png"))
    (defect,) = open_data(tmp_path).split("test")
    assert read_truth(defect, SHAPE).sum() == 12


def test_a_name_that_fits_several_images_is_that_of_the_defective_one(tmp_path: Path) -> None:
    for name in ("good/0.png", "good/7.png", "scratch/7.png"):
        picture(tmp_path / name)
    write(tmp_path / "instances.json", coco({"bbox": [1, 2, 3, 4]}, name="7.png"))
    data = open_data(tmp_path)
    assert [(s.name, len(s.masks)) for s in data] == [
        ("good/0.png", 0),
        ("good/7.png", 0),
        ("scratch/7.png", 1),
    ]
    picture(tmp_path / "stain/7.png")
    with pytest.raises(DataError, match="is the mask of two images"):
        open_data(tmp_path)


@pytest.mark.parametrize("place", ["annotations.json", "annotations/instances.json"])
def test_one_file_for_all_categories(tmp_path: Path, place: str) -> None:
    for category in ("a", "b"):
        for name in ("good/0.png", "bad/7.png"):
            picture(tmp_path / category / name)
    picture(tmp_path / "c/train/good/0.png")
    write(tmp_path / "a/bad/7.json", labelme(shape("rectangle", [[1, 1], [3, 2]])))
    write(tmp_path / place, coco({"bbox": [10, 2, 3, 4]}, name="a/bad/7.png"))
    write(tmp_path / "settings.json", {"exposure": 3})
    data = open_data(tmp_path)
    assert data.categories == ("a", "b", "c")
    first, second = data.split("test")
    assert (read_truth(first, SHAPE).sum(), second.masks) == (14, ())
    (skipped,) = data.skipped
    assert (skipped.path.name, skipped.reason[:31]) == ("settings.json", "not an annotation by its conten")


KINDS = ("scratch", "stain", "gone")
CODE = {"size": list(SHAPE), "counts": [2400]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (coco({"bbox": [0, 0, 3, 3]}, width=61), "is for an image of 61 x 40 pixels, but it is 60 x 40"),
        (coco({"segmentation": CODE | {"size": [10**6, 10**6]}}), "its run-length code is of size"),
        (coco({"segmentation": CODE | {"counts": [10**15]}}), "do not add up to 2400 pixels"),
        (coco({"segmentation": CODE | {"counts": [2000, 500, -100]}}), "do not add up to 2400 pixels"),
        (coco({"segmentation": CODE | {"counts": [2399]}}), "do not add up to 2400 pixels"),
        (coco({"segmentation": CODE | {"counts": [2400.0]}}), "do not add up to 2400 pixels"),
        (coco({"segmentation": CODE | {"counts": "~"}}), "holds '~'"),
        (coco({"segmentation": CODE | {"counts": "o" * 50}}), "holds 'o'"),
        (coco({"segmentation": CODE | {"counts": "o"}}), "ends within a number"),
        (coco({"segmentation": CODE | {"counts": None}}), "neither a list nor COCO's text"),
        (coco({"segmentation": [[1, 2, 3]]}), "a polygon is not a list"),
        (coco({"segmentation": [["a"] * 6]}), "its points are not a list of pairs"),
        (coco({"segmentation": 3}), "neither polygons nor a run-length code"),
        (coco({"bbox": ["1", 2, 3, 4]}), "its points are not a list of pairs"),
        (coco({"bbox": [1, 2, 3]}), "has neither a segmentation nor a bbox"),
        (coco({"bbox": [1, 2, 0, 3]}), "its bbox is 0 x 3; both must be above 0"),
    ],
)
def test_damaged_coco_files_are_one_line(tmp_path: Path, record: object, message: str) -> None:
    sample = one_defect(tmp_path, record, "instances.json")
    with pytest.raises(DataError) as error:
        read_truth(sample, SHAPE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "record",
    [
        {"images": [3], "annotations": []},
        {"images": [{"id": [], "file_name": "7.png"}], "annotations": []},
        {"images": [], "annotations": [{"image_id": {}}]},
    ],
)
def test_coco_files_without_what_is_needed_are_left_out(tmp_path: Path, record: object) -> None:
    assert one_defect(tmp_path, record, "instances.json").masks == ()
    (skipped,) = open_data(tmp_path).skipped
    assert skipped.reason.startswith("not understood")


# ----------------------------------------------------------------------------------------------- Pascal VOC


def voc(*objects: str, size: tuple[object, object] = SHAPE) -> str:
    inner = "".join(f"<object><name>scratch</name>{each}</object>" for each in objects)
    stated = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    return f"<annotation><filename>7.png</filename>{stated}{inner}</annotation>"


def bndbox(*ends: object) -> str:
    return "".join(["<bndbox>", *(f"<{n}>{v}</{n}>" for n, v in zip(ENDS, ends, strict=True)), "</bndbox>"])


ENDS = ("xmin", "ymin", "xmax", "ymax")


@pytest.mark.parametrize("name", ["test/scratch/7.xml", "Annotations/7.xml", "ground_truth/scratch/7.xml"])
def test_boxes_of_pascal_voc_count_pixels_from_one_and_end_inside(tmp_path: Path, name: str) -> None:
    sample = one_defect(tmp_path, voc(bndbox(11, 5, 30, 12), bndbox(60, 40, 60, 40)), name)
    assert sample.masks == (tmp_path / name,)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[4:12, 10:30] = True
    expected[39, 59] = True
    np.testing.assert_array_equal(read_truth(sample, SHAPE), expected)


def test_a_voc_data_set_as_it_is_exported(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"JPEGImages/{number}.png")
        write(
            tmp_path / f"Annotations/{number}.xml", voc(*([bndbox(1, 1, 4, 4)] * (number == 2)), size=(0, 0))
        )
    write(tmp_path / "ImageSets/Main/default.txt", "0\n1\n2\n3\n")
    write(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nscratch:128,0,0::\n")
    data = open_data(tmp_path)
    assert [(s.path.name, s.split, s.label) for s in data] == [
        ("0.png", "train", "good"),
        ("1.png", "train", "good"),
        ("3.png", "train", "good"),
        ("2.png", "test", "scratch"),
    ]
    assert read_truth(data.split("test")[0], SHAPE).sum() == 16


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (voc(bndbox(1, 1, 4, 4), size=(9, 9)), "is for an image of 9 x 9 pixels, but it is 60 x 40"),
        (voc(bndbox(1, 1, 4, 4), size=("9.0", "9.00")), "is for an image of 9 x 9 pixels, but it is 60 x 40"),
        (voc(bndbox(1, 1, "four", 4)), "object 1: its xmax is 'four'; expected a number of pixels"),
        (voc(bndbox(1, 1, 4, 4), bndbox(5, 1, 4, 4)), "object 2: its bndbox ends before it begins"),
        (voc(bndbox(1, 1, "nan", 4)), "has a coordinate that is not a number of pixels"),
        (voc(bndbox(1, 1, "1e300", 4)), "has a coordinate that is not a number of pixels"),
        (voc("<pose/>"), "object 1: has neither a bndbox nor a polygon"),
        (voc("<bndbox/>"), "its xmin is None"),
        (voc("<polygon><x1>1</x1><y1>2</y1></polygon>"), "a polygon of 1 points; it needs 3 or more"),
        (voc("<polygon><x1>1</x1></polygon>"), "its y1 is None"),
    ],
)
def test_damaged_voc_files_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    sample = one_defect(tmp_path, content, "labels/7.xml")
    with pytest.raises(DataError) as error:
        read_truth(sample, SHAPE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


BOMB = "".join(f'<!ENTITY e{n} "{"".join([f"&e{n - 1};"] * 10)}">' for n in range(1, 10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "head",
    [
        f'<!DOCTYPE a [<!ENTITY e0 "lol">{BOMB}]>',
        '<!DOCTYPE a [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "a.dtd">',
    ],
)
def test_xml_that_defines_entities_is_not_expanded(tmp_path: Path, head: str, encoding: str) -> None:
    for number in range(2):
        picture(tmp_path / f"{number}.png")
    body = "<annotation><object><name>&e9;</name></object></annotation>"
    (tmp_path / "1.xml").write_bytes(
        f'<?xml version="1.0" encoding="{encoding}"?>{head}{body}'.encode(encoding)
    )
    data = open_data(tmp_path)
    assert [sample.name for sample in data] == ["0.png"]
    assert data.skipped[0].reason.endswith("repair 1.xml: cannot be read as XML: a document type")


@pytest.mark.parametrize(
    "content", ["<annotation>", "<annotation/><annotation/>", "", "annotation", "<a>\0</a>"]
)
def test_an_image_with_damaged_xml_is_not_learnt_from(tmp_path: Path, content: str) -> None:
    for number in range(2):
        picture(tmp_path / f"{number}.png")
    (tmp_path / "1.xml").write_text(content)
    data = open_data(tmp_path)
    assert [sample.name for sample in data] == ["0.png"]
    assert "repair 1.xml: cannot be read as XML: " in data.skipped[0].reason


def test_other_xml_is_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "0.xml").write_text("<project><annotation/></project>")
    data = open_data(tmp_path)
    assert len(data) == 1
    assert data.skipped[0].reason.startswith(
        "not an annotation by its content; read are LabelMe and COCO (.json)"
    )


def test_files_about_one_image_are_not_read_beyond_a_size(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    picture(tmp_path / "1.png")
    (tmp_path / "1.xml").write_text(f"<annotation>{' ' * 2**24}</annotation>")
    (skipped,) = open_data(tmp_path).skipped
    assert "1.xml: has 16,777,241 bytes; allowed are at most 16,777,216" in skipped.reason


# ----------------------------------------------------------------------------------------------------- YOLO


@pytest.mark.parametrize("name", ["test/scratch/7.txt", "labels/test/scratch/7.txt", "labels/7.txt"])
def test_lines_of_yolo(tmp_path: Path, name: str) -> None:
    lines = "0 0.5 0.5 0.25 0.2\r\n\r\n3 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3\r\n"  # a box and a polygon
    sample = one_defect(tmp_path, lines, name)
    assert sample.masks == (tmp_path / name,)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[16:24, 23:37] = True  # its centres from 22.5 on to below 37.5
    expected[4:12, 6:12] = True
    marked = read_truth(sample, SHAPE)
    marked[:, 22] = False  # a side that goes through centres
    np.testing.assert_array_equal(marked, expected)


def test_a_yolo_data_set_as_it_is_exported(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"images/{number}.png")
        write(tmp_path / f"labels/{number}.txt", "0 0.5 0.5 0.1 0.1\n" if number == 2 else "")
    write(tmp_path / "data.yaml", "names: [scratch]")
    write(tmp_path / "classes.txt", "scratch\n")
    data = open_data(tmp_path)
    assert [(s.path.name, s.label) for s in data.split("test")] == [("2.png", "defect")]
    assert len(data.split("train")) == 3
    assert read_truth(data.split("test")[0], SHAPE).sum() == 24


def test_a_marked_image_in_a_training_folder_of_yolo_is_left_out(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"images/train/{number}.png")
        picture(tmp_path / f"images/test/{number}.png")
        write(tmp_path / f"labels/train/{number}.txt", "0 0.5 0.5 0.1 0.1" if number == 2 else "")
    data = open_data(tmp_path)
    assert [s.name for s in data.split("train")] == ["images/train/0.png", "images/train/1.png"]


@pytest.mark.parametrize(
    "text",
    ["a part from Monday", "0.1 0.5 0.5", "3", "7,0.5,0.5", "\xff\xfe", "1 0.5 -3"],
)
def test_other_text_is_left_out(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "0.txt").write_text(text, encoding="latin-1")
    data = open_data(tmp_path)
    assert len(data.split("train")) == 1
    assert [skipped.reason[:33] for skipped in data.skipped] == ["not an image by its name (.txt); "]


@pytest.mark.parametrize("text", ["466 441 493 470 3", "0 34 14 12 12", "0 1 1 40 1 40 30"])
def test_numbers_that_are_no_shares_are_said_not_to_be_yolo(tmp_path: Path, text: str) -> None:
    """The image of a file in pixels would pass for a good one without a word."""
    picture(tmp_path / "0.png")
    (tmp_path / "0.txt").write_text(text)
    (skipped,) = open_data(tmp_path).skipped
    assert skipped.reason.startswith(
        "numbers, but no marks of YOLO: those are shares of the image's sides; expected"
    )


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("7.txt", "0 1.0005 0.5 0.0001 0.1", "7.txt, mark 1"),
        ("7.xml", voc(bndbox(1, 1, 4, 4), bndbox(100, 1, 120, 9)), "7.xml, object 2"),
        ("7.json", labelme(shape("polygon", [[1, 100], [9, 100], [9, 120]])), "7.json, shape 1"),
        ("7.json", labelme(shape("rectangle", [[-20, 1], [-9, 9]])), "7.json, shape 1"),
        (
            "c.json",
            coco({"segmentation": [[1, 90, 9, 90, 9, 99]]}),
            "c.json, annotation 5 of 'scratch/7.png'",
        ),
        ("c.json", coco({"bbox": [100, 1, 5, 5]}), "c.json, annotation 5 of 'scratch/7.png'"),
    ],
)
def test_a_mark_outside_of_its_image_is_one_line(tmp_path: Path, name: str, content: Any, where: str) -> None:
    sample = one_defect(tmp_path, content, f"test/scratch/{name}")
    said = re.escape(f"{where}: lies outside of its image, which is 60 x 40 pixels")
    with pytest.raises(DataError, match=said):
        read_truth(sample, SHAPE)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "0 0.5 0.5 0.1 0.1\n0 0.5 x 0.1 0.1",
            "mark 2: is '0 0.5 x 0.1 0.1'; expected a class, then x, y of",
        ),
        ("0 0.5 0.5 0.1 0.1\n0 0.5 1.5 0.1 0.1", "of a box, from 0 to 1"),
        ("0 0.5 0.5 0.1 0.1\na 0.5 0.5 0.1 0.1", "mark 2: is 'a 0.5 0.5 0.1 0.1'"),
        ("0 0.5 0.5 0.1 0.1\n0 0.5 nan 0.1 0.1", "mark 2: is"),
        ("0 0.5 0.5 0.1 0.1 0.9", "mark 1: has 5 numbers behind its class"),
        ("0 0.5 0.5", "mark 1: has 2 numbers behind its class"),
    ],
)
def test_damaged_yolo_files_are_one_line(tmp_path: Path, lines: str, message: str) -> None:
    sample = one_defect(tmp_path, lines, "labels/7.txt")
    with pytest.raises(DataError) as error:
        read_truth(sample, SHAPE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["7.xml", "7.txt"])
def test_annotations_of_one_image_by_label(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1" if name == "7.txt" else voc(bndbox(1, 1, 4, 4)))
    annotations = read_annotations(path)
    assert not isinstance(annotations, NotRead)
    assert annotations.labelled(lambda label: label in ("1", "scratch")).draw(path, SHAPE).any()
    assert not annotations.labelled(lambda label: label == "2").marked_images()
    if name == "7.xml":
        assert annotations.only_image()[1] == SHAPE
    else:
        with pytest.raises(DataError, match="does not say how large its image is"):
            annotations.only_image()


def test_an_image_has_the_marks_of_all_its_files(tmp_path: Path) -> None:
    """Whatever their formats: none takes the place of another."""
    write(tmp_path / "test/scratch/7.xml", voc(bndbox(1, 1, 10, 10)))
    write(tmp_path / "test/scratch/7.txt", "0 0.5 0.5 0.1 0.1")
    write(tmp_path / "coco.json", coco({"bbox": [50, 30, 10, 10]}))
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[39, 0] = 255
    Image.fromarray(mask).save(tmp_path / "test/scratch/7_mask.png")
    sample = one_defect(tmp_path, labelme(shape("rectangle", [[40, 0], [44, 5]])))
    assert read_truth(sample, SHAPE).sum() == 100 + 6 * 4 + 100 + 1 + 20
    assert "1 defective to test, 5 masks of 1 image;" in summarize(open_data(tmp_path))


def test_a_manifest_names_annotations(tmp_path: Path) -> None:
    picture(tmp_path / "7.png")
    write(tmp_path / "7.json", labelme(shape("rectangle", [[1, 1], [3, 2]])))
    (tmp_path / "m.csv").write_text("path,label,mask\n7.png,scratch,7.json\n")
    (sample,) = open_data(tmp_path / "m.csv")
    assert read_truth(sample, SHAPE).sum() == 2


def test_a_long_polygon_of_pascal_voc_takes_no_more_than_its_length(tmp_path: Path) -> None:
    corners = ((10 if number % 2 else 50, 30 * (number > 2)) for number in range(6_000))
    points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(corners, start=1))
    path = tmp_path / "7.xml"
    path.write_text(voc(f"<polygon>{points}</polygon>"))
    annotations = read_annotations(path)
    assert isinstance(annotations, Voc)
    polygon = annotations.record.find("object/polygon")
    assert polygon is not None
    assert len(corners_of(polygon, "here")) == 6_000  # ten seconds if each is looked for


def test_xml_of_an_encoding_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "7.xml"
    for name in ("foo", "base64"):
        path.write_text(f'<?xml version="1.0" encoding="{name}"?>{voc()}')
        found = read_annotations(path)
        assert isinstance(found, NotRead)
        assert "cannot be read as XML: " in found.reason


def test_yolo_as_editors_of_windows_write_it(tmp_path: Path) -> None:
    sample = one_defect(tmp_path, "\ufeff0 0.5 0.5 0.5 0.5\r\n", "test/scratch/7.txt")
    assert read_truth(sample, SHAPE).sum() == SHAPE[0] * SHAPE[1] / 4
