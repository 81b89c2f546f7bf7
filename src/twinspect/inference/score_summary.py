"""Scores as text: the verdicts in words, the worst image first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.inference.verdicts import in_thresholds, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.score_table import Row

MOST_ROWS: Final = 40
"""Images that are listed; the others would push the worst off the screen."""


def summarize(rows: Sequence[Row], calibration: Calibration) -> str:
    """Lay out rows for a person: anomalous images, then those that were not decided on, then good ones; then counts.

    Args:
        rows: of the score table.
        calibration: decided on them.
    """
    lines = [*worst_lines(rows, calibration, MOST_ROWS, "--out r.csv writes every row"), count_verdicts(rows)]
    return "\n".join(lines)


def worst_lines(rows: Sequence[Row], calibration: Calibration, most: int, others: str) -> list[str]:
    """List the worst images in columns.

    Args:
        rows: of the score table.
        calibration: decided on them.
        most: how many to list.
        others: where the others are to be had, a clause.
    """
    order = worst_first(rows, calibration)
    cells = [_cells(rows[index], calibration.of(rows[index]["category"]).threshold) for index in order[:most]]
    lines = _in_columns([("verdict", "score", "image"), *cells])
    if len(rows) > most:
        rest = count_anomalous([rows[index] for index in order[most:]])
        lines.append(f"… and {len(rows) - most} more, {rest} of them anomalous, none worse; {others}")
    return lines


def worst_first(rows: Sequence[Row], calibration: Calibration) -> list[int]:
    """Order rows by verdict, anomalous first, then from the farthest above its threshold on.

    Returns:
        Their numbers.
    """
    thresholds = {
        category: calibration.of(category).threshold for category in {row["category"] for row in rows}
    }
    return sorted(range(len(rows)), key=lambda index: _rank(rows[index], thresholds[rows[index]["category"]]))


def count_verdicts(rows: Sequence[Row]) -> str:
    """Count the verdicts in a line."""
    counts = f"{count_anomalous(rows)} of {len(rows)} images anomalous, {count_unreadable(rows)} unreadable"
    not_inspectable = count_not_inspectable(rows)
    if not_inspectable:
        counts += f", {not_inspectable} not inspectable"
    return counts + _count_regions(rows)


def _count_regions(rows: Sequence[Row]) -> str:
    """Count images with regions, and anomalous ones without, whose crops nobody should look for."""
    if all(row["regions"] is None for row in rows):  # a model that finds none
        return ""
    without = sum(row["is_anomalous"] is True and not row["regions"] for row in rows)
    none = f"; {without} anomalous by score without any" if without else ""
    return f"; regions in {sum(bool(row['regions']) for row in rows)}{none}"


def count_anomalous(rows: Sequence[Row]) -> int:
    """Count the anomalous images."""
    return sum(row["is_anomalous"] is True for row in rows)


def count_not_inspectable(rows: Sequence[Row]) -> int:
    """Count the images that have a score and are neither good nor anomalous."""
    return sum(row["inspectable"] is False for row in rows)


def count_unreadable(rows: Sequence[Row]) -> int:
    """Count the images without a score."""
    return sum(row["is_anomalous"] is None for row in rows)


def _in_columns(cells: Sequence[tuple[str, str, str]]) -> list[str]:
    """Lay out cells; paths come last and are not folded, so that they can be copied."""
    first, second = (max(len(row[column]) for row in cells) for column in (0, 1))
    return [f"{word:<{first}}  {score:>{second}}  {image}" for word, score, image in cells]


def _rank(row: Row, threshold: float) -> tuple[int, float]:
    """Rank a row for sorting: by verdict, good with a notice first, then from the farthest above its threshold on."""
    if row["is_anomalous"] is None or row["inspectable"] is False:
        return 1, 0.0
    above = row["score"] / threshold if threshold > 0 else row["score"] - threshold
    if row["is_anomalous"]:
        return 0, -above
    return (2 if row["notice"] else 3), -above


def _cells(row: Row, threshold: float) -> tuple[str, str, str]:
    score = "" if row["score"] is None else in_thresholds(row["score"], threshold)
    reason = row["error"].removeprefix(f"{row['path']}: ") or row["notice"]
    image = f"{row['path']}: {reason}" if reason else row["path"]  # spelled, as rows are
    words = verdict(row["is_anomalous"], is_inspectable=row["inspectable"] is not False)
    return words, score, image
