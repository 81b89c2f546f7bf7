"""Every column comes back from text and has a type in Parquet."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinspect.data.samples import Sample
from twinspect.inference.results import ImageScore
from twinspect.inference.score_table import COLUMNS, arrow_schema, from_texts, to_row, to_texts
from twinspect.utils.spelling import unspell

SAMPLE = Sample(Path("a.png"), "a.png", category="nut")


@pytest.mark.parametrize(
    "result",
    [
        ImageScore(SAMPLE, 0.1 + 0.2, 1 / 3, is_anomalous=True),
        ImageScore(SAMPLE, -3.0, 1.0),
        ImageScore(SAMPLE, float("nan"), error="a.png: \n truncated"),
    ],
)
def test_a_row_comes_back_from_text(result: ImageScore) -> None:
    row = to_row(result)
    assert from_texts(to_texts(row)) == row
    assert tuple(row) == COLUMNS
    values = (row["score"], row["p_value"], row["is_anomalous"])
    assert values == ((None,) * 3 if result.error else (result.score, result.p_value, result.is_anomalous))


@pytest.mark.parametrize("name", ["in/bad\nname\x1b[2J.jpg", "b\udce4.jpg", "a \\u0041.png", "a  b.png"])
def test_an_error_spells_the_name_as_the_path_does(name: str) -> None:
    row = to_row(ImageScore(Sample(Path(name), name), float("nan"), error=f"{name}: cut\n off in {name}\x07"))
    assert row["error"] == f"{row['path']}: cut off in {row['path']}\\u0007"
    assert unspell(row["path"]) == name


def test_every_column_has_a_type_in_parquet() -> None:
    pytest.importorskip("pyarrow")
    *types, regions, part = [str(field.type) for field in arrow_schema()]
    assert regions.startswith("list<item: struct<box: list<item: int64>, polygon: ")
    assert types == ["string", "string", "double", "double", "bool", "string", "bool", "string"]
    assert part == "string"
    assert arrow_schema(("path", "error")).names == ["path", "error"]
