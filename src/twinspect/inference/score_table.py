"""The columns of a score table: one row each, read by every kind of file that scores are written to."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.inference.results import ImageScore
    from twinspect.regions.finding import FoundRegion

Row = dict[str, Any]


@dataclass(frozen=True)
class ColumnType:
    """How the values of a column are stored.

    Attributes:
        arrow: makes the type in Parquet from the module ``pyarrow``.
        to_text: writes a value as text, for CSV; ``None`` is always the empty text.
        from_text: reads it back.
        empty: what the empty text stands for.
    """

    arrow: Callable[[Any], Any]
    to_text: Callable[[Any], str]
    from_text: Callable[[str], Any]
    empty: str | None = None


def _arrow_regions(pa: Any) -> Any:
    """Give the type of a list of regions, the fields of :class:`.FoundRegion`."""
    number, numbers = pa.float64(), pa.list_(pa.float64())
    types = {
        "box": pa.list_(pa.int64()),
        "polygon": pa.list_(numbers),
        "area_px": pa.int64(),
        **dict.fromkeys(("area_mm2", "extent_px", "extent_mm", "peak", "mean", "p_value"), number),
        "centre": numbers,
        "words": pa.list_(pa.string()),
        "good_patch": pa.list_(pa.int64()),
    }
    return pa.list_(pa.struct(list(types.items())))


TEXT: Final = ColumnType(lambda pa: pa.string(), str, str, empty="")
NUMBER: Final = ColumnType(lambda pa: pa.float64(), repr, float)
"""With every digit."""
TRUTH: Final = ColumnType(
    lambda pa: pa.bool_(), lambda value: "true" if value else "false", lambda text: text == "true"
)
REGIONS: Final = ColumnType(_arrow_regions, json.dumps, json.loads)
"""A list of records; JSON in text."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name in every kind of file.
        type: how its values are stored.
        value: takes a result and gives the value; ``None`` where there is none.
        meaning: what it says, for whoever reads the table.
    """

    name: str
    type: ColumnType
    value: Callable[[ImageScore], Any]
    meaning: str

    def to_text(self, value: Any) -> str:
        """Write a value as text."""
        return "" if value is None else self.type.to_text(value)

    def from_text(self, text: str) -> Any:
        """Read a value that :meth:`to_text` wrote.

        Raises:
            ValueError: it is not a value of this column.
        """
        return self.type.from_text(text) if text else self.type.empty


def _if_read(value: Callable[[ImageScore], Any]) -> Callable[[ImageScore], Any]:
    """What an image that could not be read does not have is ``None``, never a false "good"."""
    return lambda result: None if result.error else value(result)


def _records(regions: Sequence[FoundRegion] | None) -> list[dict[str, Any]] | None:
    return None if regions is None else [region.to_record() for region in regions]


def error_cell(error: str, name: str) -> str:
    r"""Write an error in one line, with the name of the image spelled as in the column of paths.

    >>> print(error_cell("a\nb.png: cut\n off", "a\nb.png"))
    a\u000ab.png: cut off
    """
    around = error.split(name) if name else [error]
    return spell(name).join(spell(re.sub(r"\s+", " ", text)) for text in around).strip()


SCORE_COLUMNS: Final = (
    Column("path", TEXT, lambda result: spell(result.sample.address), "the image, as it was named"),
    Column("category", TEXT, lambda result: spell(result.sample.category), "the product that it shows"),
    Column(
        "score", NUMBER, _if_read(lambda result: result.score), "raw, unbounded, higher is more anomalous"
    ),
    Column(
        "p_value",
        NUMBER,
        _if_read(lambda r: None if math.isnan(r.p_value) else r.p_value),
        "how rare such a score is among good images, in (0, 1]",
    ),
    Column(
        "is_anomalous",
        TRUTH,
        _if_read(lambda result: result.is_anomalous),
        "whether the score lies above the threshold; false for an image that cannot be inspected",
    ),
    Column(
        "error",
        TEXT,
        lambda result: error_cell(result.error, result.sample.address),
        "why the image could not be read; it has no score then",
    ),
    Column(
        "inspectable",
        TRUTH,
        _if_read(lambda result: result.is_inspectable),
        "false for an image that is neither good nor anomalous, such as a black or blurred one",
    ),
    Column(
        "notice",
        TEXT,
        lambda result: result.notice,
        "what to look at although the score is that of a good image",
    ),
    Column(
        "regions",
        REGIONS,
        lambda result: _records(result.regions),
        "what was found in the map, the highest peak first",
    ),
    Column(
        "part",
        TEXT,
        lambda result: spell(result.sample.group),
        "which part it shows, where several images show one",
    ),
)
COLUMNS: Final = tuple(column.name for column in SCORE_COLUMNS)


def to_row(result: ImageScore) -> Row:
    """Turn a result into a row."""
    return {column.name: column.value(result) for column in SCORE_COLUMNS}


def to_brief_row(result: ImageScore) -> Row:
    """Do the same, but leave regions as they are: their outlines are nearly all the work, and a count needs none."""
    values = {column.name: column.value(result) for column in SCORE_COLUMNS if column.type is not REGIONS}
    return {**values, "regions": result.regions}


def to_texts(row: Row) -> dict[str, str]:
    """Write the values of a row as text."""
    return {column.name: column.to_text(row[column.name]) for column in SCORE_COLUMNS}


def from_texts(texts: dict[str, str]) -> Row:
    """Read a row that :func:`to_texts` wrote.

    Raises:
        ValueError: a value is not one of its column.
    """
    return {column.name: column.from_text(texts[column.name]) for column in SCORE_COLUMNS}


def arrow_schema(names: Sequence[str] = COLUMNS) -> Any:
    """Give the types of columns in Parquet: a ``pyarrow.Schema``."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and few tables are Parquet files

    types = {column.name: column.type.arrow for column in SCORE_COLUMNS}
    return pa.schema([(name, types[name](pa)) for name in names])
