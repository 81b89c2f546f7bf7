"""Manifests: CSV and Parquet say the same, and every contradiction names its row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twinspect.data import open_data
from twinspect.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.data import DataSet

ROWS: list[dict[str, Any]] = [
    {"path": "b/part-10.png", "split": "train", "label": "good", "mask": "", "category": "nut", "line": 1},
    {"path": "b/part-9.png", "split": "", "label": "", "mask": "", "category": "nut", "line": 2},
    {"path": "x.png", "split": "Test", "label": "scratch", "mask": "m/x.png", "category": "bolt", "line": 3},
    {"path": "y.png", "split": "", "label": "scratch", "mask": "", "category": "bolt", "line": 4},
    {"path": "z.png", "split": "validation", "label": "OK", "mask": "", "category": "bolt", "line": 5},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in [*(row["path"] for row in ROWS), "m/x.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "parts.csv"
    path.write_bytes(text.encode(encoding))
    return path


def as_csv(separator: str = ",") -> str:
    lines = [separator.join(ROWS[0]), *(separator.join(str(value) for value in row.values()) for row in ROWS)]
    return "\n".join(lines) + "\n"


def parquet(folder: Path, columns: dict[str, list[Any]]) -> Path:
    path = folder / "parts.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def content(data: DataSet) -> list[tuple[object, ...]]:
    return [(s.path, s.name, s.split, s.label, s.category, s.mask) for s in data]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as error:
        open_data(path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_csv_rows_become_samples(folder):
    path = csv(folder, as_csv())
    data = open_data(path)
    assert content(data) == [
        (folder / "z.png", "z.png", "calibration", "good", "bolt", None),
        (folder / "x.png", "x.png", "test", "scratch", "bolt", folder / "m/x.png"),
        (folder / "y.png", "y.png", "test", "scratch", "bolt", None),
        (folder / "b/part-9.png", "b/part-9.png", "train", "good", "nut", None),
        (folder / "b/part-10.png", "b/part-10.png", "train", "good", "nut", None),
    ]
    assert (data.name, data.root, data.layout) == ("parts", path, "csv manifest")


def test_parquet_says_the_same_as_csv(folder):
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    expected = content(open_data(csv(folder, as_csv())))
    assert content(open_data(parquet(folder, columns))) == expected
    missing = {name: [value or None for value in values] for name, values in columns.items()}
    assert content(open_data(parquet(folder, missing))) == expected


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dialects_of_spreadsheets(folder, separator, encoding, newline):
    expected = content(open_data(csv(folder, as_csv())))
    path = csv(folder, as_csv(separator).replace("\n", newline), encoding)
    assert content(open_data(path)) == expected


def test_only_the_path_is_needed(folder):
    data = open_data(csv(folder, "path\nx.png\n\ny.png\n"))
    assert [(s.name, s.split, s.label, s.category) for s in data] == [
        ("x.png", "train", "good", ""),
        ("y.png", "train", "good", ""),
    ]


def test_columns_in_any_order_and_case(folder):
    data = open_data(csv(folder, ' Label ,PATH\nscratch,"x.png"\n'))
    assert [(s.name, s.label, s.split) for s in data] == [("x.png", "scratch", "test")]


def test_short_rows_and_quotes(folder):
    (folder / "a, b.png").write_bytes(b"x")
    data = open_data(csv(folder, 'path,label,mask\n"a, b.png"\ny.png,scratch\n'))
    assert {(s.name, s.label) for s in data} == {("a, b.png", "good"), ("y.png", "scratch")}


@pytest.mark.parametrize("label", ["good", "Good", "normal", "OK", "0", "", "  "])
def test_words_for_good(folder, label):
    assert open_data(csv(folder, f"path,label\nx.png,{label}\n")).samples[0].label == "good"


@pytest.mark.parametrize("label", ["1", "Scratch", "goodish", "not ok"])
def test_other_labels_are_kept_as_written(folder, label):
    sample = open_data(csv(folder, f"path,label\nx.png,{label}\n")).samples[0]
    assert (sample.label, sample.split) == (label, "test")


def test_numbers_as_labels_in_parquet(folder):
    paths = ["x.png", "y.png", "z.png"]
    for labels in ([0, 1, None], [0.0, 1.0, math.nan]):
        data = open_data(parquet(folder, {"path": paths, "label": labels}))
        assert {s.name: s.label for s in data} == {"x.png": "good", "y.png": "1", "z.png": "good"}


def test_absolute_and_windows_paths(folder):
    data = open_data(csv(folder, f"path\n{folder / 'x.png'}\nb\\part-9.png\n"))
    assert [(s.name, s.path) for s in data] == [
        ("b/part-9.png", folder / "b/part-9.png"),
        ("x.png", folder / "x.png"),
    ]
    elsewhere = folder / "lists"
    elsewhere.mkdir()
    data = open_data(csv(elsewhere, f"path\n{folder / 'x.png'}\n../y.png\n"))
    assert [s.name for s in data] == ["../y.png", (folder / "x.png").as_posix()]


def test_a_missing_image_stays_in_unless_all_are_missing(folder):
    assert len(open_data(csv(folder, "path\nx.png\ngone.png\n"))) == 2
    text = refused(csv(folder, "path\ngone.png\nlost.png\n"))
    assert text.startswith(f": none of its 2 images exists, the first being {folder / 'gone.png'}")
    assert "relative paths start at the manifest's own folder" in text


def test_unknown_split(folder):
    text = refused(csv(folder, "path,split\nx.png,train\ny.png,val\n"))
    assert text == (
        ", row 3: the split is 'val'; allowed are train, calibration, validation, test, or nothing"
    )


@pytest.mark.parametrize("split", ["train", "calibration"])
def test_defects_are_for_testing(folder, split):
    text = refused(csv(folder, f"path,split,label\nx.png,{split},scratch\n"))
    assert text == f", row 2: the label is 'scratch', but only good images may be in {split}; use test"


@pytest.mark.parametrize("again", ["x.png", "./x.png", "b/../x.png"])
def test_an_image_listed_twice(folder, again):
    text = refused(csv(folder, f"path\nx.png\n\ny.png\n{again}\n"))
    assert text == f", row 5: {again!r} was listed in row 2 already; list each image once"


def test_a_missing_mask(folder):
    text = refused(csv(folder, "path,label,mask\nx.png,bad,m/gone.png\n"))
    assert text.startswith(f", row 2: the mask {folder / 'm/gone.png'} does not exist")


def test_an_empty_path(folder):
    assert refused(csv(folder, "path,label\n,bad\n")) == ", row 2: the path is empty; expected the image file"


def test_too_many_values(folder):
    text = refused(csv(folder, "path,label\na, b.png,bad\n"))
    assert text.startswith(", row 2: 3 values under 2 columns; put a value that holds the separator")


def test_no_path_column(folder):
    known = "path, split, label, mask, category, roi, part"
    expected = f": no column 'path' among ['file', 'label']; known columns are {known}"
    assert refused(csv(folder, "file,label\nx.png,good\n")) == expected
    assert refused(parquet(folder, {"file": ["x.png"], "label": ["good"]})) == expected


def test_two_columns_of_one_name(folder):
    assert "two columns are called 'path'; rename one" in refused(csv(folder, "path,Path\nx.png,y.png\n"))


@pytest.mark.parametrize("text", ["", "path\n", "path\n\n\n"])
def test_no_rows(folder, text):
    assert refused(csv(folder, text)).startswith(
        ": no column 'path' among []" if not text else ": no rows below the header"
    )


def test_files_that_are_no_tables(folder):
    path = folder / "parts.csv"
    path.write_bytes(b"path\n\xff\xfe.png\n")
    assert refused(path).startswith(": cannot be read as CSV in UTF-8:")
    path.write_text('path\n"x.png\n')
    assert refused(path).startswith(": cannot be read as CSV in UTF-8:")
    path = folder / "parts.parquet"
    path.write_bytes(b"path\nx.png\n")
    assert refused(path).startswith(": cannot be read as Parquet:")
