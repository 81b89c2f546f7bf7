"""Regions of interest are read from masks and polygons, checked, kept, and laid over images of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image

from twinspect.data.samples import Sample
from twinspect.errors import ConfigError, DataError, ImageError, TwinspectError
from twinspect.regions.areas import Region
from twinspect.regions.polygons import first_crossing
from twinspect.regions.region_file import read_region
from twinspect.regions.scope import Scope, look, scope_of

TRIANGLE = [[0.1, 0.2], [0.9, 0.3], [0.4, 0.85]]
SQUARE = [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def mask_file(path: Path, mask: np.ndarray) -> Path:
    Image.fromarray((255 * mask).astype(np.uint8)).save(path)
    return path


def centres(height: int, width: int, polygon: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels' centres lie inside of a polygon, and which of them are not too near to its sides to tell."""
    rows, columns = np.mgrid[:height, :width]
    points = np.stack([(columns.ravel() + 0.5) / width, (rows.ravel() + 0.5) / height], axis=1)
    near = [np.array([x, y]) * 1.5 / 2048 for x in (-1, 0, 1) for y in (-1, 0, 1)]
    inside = np.array([Outline(polygon).contains_points(points + shift) for shift in near])
    sure = inside.all(axis=0) | ~inside.any(axis=0)
    return inside[4].reshape(height, width), sure.reshape(height, width)


@pytest.mark.parametrize("size", [(48, 48), (300, 211), (97, 640)])
def test_polygons_fit_images_of_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    region = read_region(written(tmp_path / "roi.json", {"look": [TRIANGLE], "ignore": [SQUARE]}))
    inside, sure = centres(*size, TRIANGLE)
    hole, sure_of_hole = centres(*size, SQUARE)
    sure &= sure_of_hole
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(region.at(*size)[sure], (inside & ~hole)[sure])


def test_without_look_everything_but_the_ignored_counts(tmp_path: Path) -> None:
    region = read_region(written(tmp_path / "roi.json", {"ignore": [SQUARE]}))
    assert region.at(10, 10).sum() == 100 - 9
    assert region.share == pytest.approx(1 - 0.09, abs=1e-3)


def test_a_mask_is_for_images_of_its_size(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[4:9, 5:22] = True
    region = read_region(mask_file(tmp_path / "roi.png", mask))
    np.testing.assert_array_equal(region.at(20, 30), mask)
    with pytest.raises(ImageError, match="30x20 pixels, the image has 40x20"):
        region.at(20, 40)


def test_labelme_and_coco_mark_what_counts_and_what_is_ignored(tmp_path: Path) -> None:
    boxes = {"part": [2, 3, 20, 12], "ignore": [5, 5, 4, 4]}
    shapes = [
        {"label": name, "shape_type": "rectangle", "points": [[x, y], [x + w, y + h]]}
        for name, (x, y, w, h) in boxes.items()
    ]
    labelme = {"shapes": shapes, "imageWidth": 30, "imageHeight": 20}
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}],
        "categories": [{"id": 7, "name": "part"}, {"id": 8, "name": "Ignore"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 7 + n, "bbox": box}
            for n, box in enumerate(boxes.values())
        ],
    }
    expected = np.zeros((20, 30), np.bool_)
    expected[3:15, 2:22] = True
    expected[5:9, 5:9] = False
    for name, content in {"labelme": labelme, "coco": coco}.items():
        path = written(tmp_path / f"{name}.json", content)
        np.testing.assert_array_equal(read_region(path).at(20, 30), expected)
        np.testing.assert_array_equal(read_region(path, Path("x/a.png"), (20, 30)).mask, expected)
    coco["images"].append({"id": 2, "file_name": "b.png"})  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="about 2 images"):
        read_region(written(tmp_path / "two.json", coco))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"look": [[[0.1, 0.1], [1.2, 0.1], [0.5, 0.5]]]}, r"\[1.2, 0.1\] lies outside"),
        ({"look": [[[0, 0], [1, 1], [1, 0], [0, 1]]]}, "sides 1 and 3 cross"),
        ({"look": [[[0.1, 0.1], [0.2, 0.2]]]}, "has 2 points; allowed are 3"),
        ({"look": [], "ignore": []}, "is empty"),
        ({"ignore": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}, "is empty"),
        ({"look": 3}, "no list of polygons"),
        ({"look": [[1, 2, 3]]}, "no list of points"),
        ({"look": [[["0.5", 0], [1, 0], [1, 1]]]}, "no list of points"),
        ({"look": [[[True, 0], [1, 0.5], [0, 1]]]}, "no list of points"),
        ({"look": [[[float("nan"), 0], [1, 0], [1, 1]]]}, "lies outside"),
        ({"look": [[[0.1, 0.1], [0.3, 0.3], [0.7, 0.7]]]}, "its points lie on one line"),
        ({"look": [SQUARE], "ingore": [TRIANGLE]}, "holds 'ingore', which means nothing here"),
        ({"polygons": []}, "allowed are a mask image"),
        ({"shapes": []}, "does not say how large"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_that_begins_with_the_file(
    content: Any, says: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "roi.json", content)
    with pytest.raises(DataError, match=says) as error:
        read_region(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_an_empty_mask_and_a_missing_or_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_region(mask_file(tmp_path / "black.png", np.zeros((8, 8), np.bool_)))
    for name in ("none.png", "none.json"):
        with pytest.raises(TwinspectError, match=name):
            read_region(tmp_path / name)
    (tmp_path / "twice.json").write_text('{"look": [[[0, 0], [1, 0], [0, 1]]], "look": []}')
    with pytest.raises(DataError, match="holds 'look' twice; join both, or delete one"):
        read_region(tmp_path / "twice.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="as JSON"):
        read_region(tmp_path / "bad.json")


def test_sides_that_only_touch_do_not_cross() -> None:
    assert first_crossing([(0, 0), (1, 0), (1, 1), (0, 1)]) is None
    assert first_crossing([(0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)]) is None
    assert first_crossing([(0, 0), (1, 0), (0.5, 1), (0.5, -1)]) == (1, 3)


def test_a_region_is_kept_in_a_record_and_equal_ones_have_one_digest(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((33, 51)) > 0.5
    for region in (
        Region(mask, any_size=True),
        read_region(written(tmp_path / "a.json", {"look": [TRIANGLE]})),
    ):
        scope = Scope(region, blank=True)
        record = json.loads(json.dumps(scope.to_record()))
        again = Scope.from_record(record)
        assert again is not None
        assert again.fixed is not None
        np.testing.assert_array_equal(again.fixed.mask, region.mask)
        assert (again.digest, again.blank, again.fixed.any_size) == (scope.digest, True, True)
    digests = {Scope(Region(mask, any_size=a), blank=b).digest for a in (True, False) for b in (True, False)}
    assert len({*digests, Scope(None).digest, Scope(Region(~mask, any_size=True)).digest}) == 6
    assert Scope.from_record(None) is None


@pytest.mark.parametrize("damage", [{"version": 3}, {"region": {"any_size": True, "png": "!"}}])
def test_a_damaged_or_later_record_is_refused(damage: dict[str, Any]) -> None:
    record = Scope(Region(np.ones((4, 4), np.bool_), any_size=True)).to_record()
    with pytest.raises(ConfigError, match="region of interest"):
        Scope.from_record({**record, **damage})


def test_a_region_comes_from_one_place(tmp_path: Path) -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:5, 2:5] = True
    path = mask_file(tmp_path / "roi.png", mask)
    plain, own = Sample(Path("a.png"), "a"), Sample(Path("b.png"), "b", roi=path)
    assert scope_of(None, [plain], blank=False) is None
    fixed, each = scope_of(path, [plain], blank=False), scope_of(None, [plain, own], blank=True)
    assert fixed is not None
    assert each is not None
    np.testing.assert_array_equal(fixed.region_of(plain, (8, 8)).mask, mask)
    np.testing.assert_array_equal(each.region_of(own, (8, 8)).mask, mask)
    with pytest.raises(ImageError, match="this one has none"):
        each.region_of(plain, (8, 8))
    with pytest.raises(ImageError, match="same size"):
        each.region_of(own, (9, 8))
    with pytest.raises(ConfigError, match="leave one of them out"):
        scope_of(path, [own], blank=False)
    with pytest.raises(ConfigError, match="--roi FILE"):
        scope_of(None, [plain], blank=True)
    rgb = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    painted = look(each, own, rgb).painted
    np.testing.assert_array_equal(painted[mask], rgb[mask])
    assert (painted[~mask] == 128).all()
    assert look(fixed, plain, rgb).painted is rgb


def test_a_region_too_small_for_an_image_is_an_error_of_the_image() -> None:
    mask = np.zeros((2048, 2048), np.bool_)
    mask[5, 5] = True
    with pytest.raises(ImageError, match="no pixel in an image of 10x10"):
        Region(mask, any_size=True).at(10, 10)


def test_a_manifest_names_the_region_of_each_image(tmp_path: Path) -> None:
    from twinspect.data import open_data

    for name in ("a.png", "roi.png"):
        mask_file(tmp_path / name, np.ones((8, 8), np.bool_))
    (tmp_path / "list.csv").write_text("path,roi\na.png,roi.png\n")
    assert open_data(tmp_path / "list.csv").samples[0].roi == tmp_path / "roi.png"
    (tmp_path / "list.csv").write_text("path,roi\na.png,none.png\n")
    with pytest.raises(DataError, match=r"row 2: the region of interest .*none.png does not exist"):
        open_data(tmp_path / "list.csv")


def test_a_file_that_marks_nothing_or_states_a_huge_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roi.json"
    labelme = {"version": "5.0", "shapes": [], "imagePath": "a.png", "imageWidth": 64, "imageHeight": 64}
    path.write_text(json.dumps(labelme))
    with pytest.raises(DataError, match=r"roi\.json: marks nothing to look at and nothing to ignore"):
        read_region(path)
    path.write_text(json.dumps({**labelme, "imageWidth": 100_000, "imageHeight": 100_000}))
    with pytest.raises(DataError, match=r"roi\.json: states an image of 100000x100000 pixels"):
        read_region(path)
