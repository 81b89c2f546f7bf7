"""Decisions on parts that several images show: one a part, with the rate that the calibration states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twinspect.inference.results import PartScore
from twinspect.inference.score_table import to_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.inference.results import ImageScore
    from twinspect.inference.score_table import Row


def score_parts(images: Iterable[ImageScore]) -> tuple[PartScore, ...]:
    """Decide on the parts that images say they show, in the order of their first images."""
    return parts_of_rows([to_row(image) for image in images])


def parts_of_rows(rows: Iterable[Row]) -> tuple[PartScore, ...]:
    """Decide on the parts of the rows of a score table."""
    parts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["part"]:
            parts.setdefault((row["category"], row["part"]), []).append(row)
    return tuple(_decide(part, category, images) for (category, part), images in parts.items())


def count_parts_in_words(parts: Sequence[PartScore]) -> str:
    """Count the verdicts on parts in a line."""
    undecided = sum(not part.is_inspectable for part in parts)
    counts = f"{sum(part.is_anomalous for part in parts)} of {len(parts)} parts anomalous"
    return f"{counts}, {undecided} not inspectable" if undecided else counts


def _decide(part: str, category: str, images: Sequence[Row]) -> PartScore:
    scored = [row for row in images if row["score"] is not None]
    worst = max(scored, key=lambda row: row["score"], default=None)
    not_inspected = [row for row in images if not row["inspectable"]]
    is_anomalous = any(row["is_anomalous"] for row in images)
    return PartScore(
        part=part,
        category=category,
        images=len(images),
        score=worst["score"] if worst else math.nan,
        p_value=worst["p_value"] if worst else math.nan,
        is_anomalous=is_anomalous,
        is_inspectable=is_anomalous or not not_inspected,
        worst_image=worst["path"] if worst else "",
        error="" if is_anomalous or not not_inspected else _reason(not_inspected[0]),
    )


def _reason(row: Row) -> str:
    return str(row["error"] or f"{row['path']} cannot be inspected")
