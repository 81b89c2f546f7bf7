"""Decisions on parts that several images show: one a part, with the rate that the calibration states."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    """Decide on the parts of the rows of a score table, with memory that grows with the parts alone."""
    parts: dict[tuple[str, str], _Views] = {}
    for row in rows:
        if row["part"]:
            parts.setdefault((row["category"], row["part"]), _Views()).add(row)
    return tuple(views.decide(part, category) for (category, part), views in parts.items())


def count_parts_in_words(parts: Sequence[PartScore]) -> str:
    """Count the verdicts on parts in a line."""
    undecided = sum(not part.is_inspectable for part in parts)
    counts = f"{sum(part.is_anomalous for part in parts)} of {len(parts)} parts anomalous"
    return f"{counts}, {undecided} not inspectable" if undecided else counts


@dataclass
class _Views:
    """What is known of a part once some of its images are seen."""

    images: int = 0
    worst: Row | None = None
    not_inspected: Row | None = None

    def add(self, row: Row) -> None:
        self.images += 1
        if row["score"] is not None:
            self.worst = row if self.worst is None else max(self.worst, row, key=_severity)
        if not row["inspectable"] and self.not_inspected is None:
            self.not_inspected = row

    def decide(self, part: str, category: str) -> PartScore:
        worst = self.worst or {"score": math.nan, "p_value": math.nan, "is_anomalous": False, "path": ""}
        undecided = None if worst["is_anomalous"] else self.not_inspected
        return PartScore(
            part=part,
            category=category,
            images=self.images,
            score=worst["score"],
            p_value=worst["p_value"],
            is_anomalous=worst["is_anomalous"],
            is_inspectable=undecided is None,
            worst_image=worst["path"],
            error=_reason(undecided) if undecided else "",
        )


def _severity(row: Row) -> tuple[bool, float]:
    """Order images of a part: one that cannot be inspected is none that decides, however high its score."""
    return row["is_anomalous"], row["score"]


def _reason(row: Row) -> str:
    return str(row["error"] or f"{row['path']} cannot be inspected")
