"""The part of a report on the errors where cameras, lamps and parts change a little."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twinspect.evaluation.shifts import BRIGHTNESS, DISPLACEMENT, UNCHANGED
from twinspect.report import charts
from twinspect.report.formatting import Rate, decimal, percent
from twinspect.report.rendering import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from twinspect.evaluation.shifts import ShiftResult


class Shifts(NamedTuple):
    """What the section shows.

    Attributes:
        table: a row for each change.
        charts: error rates against how much changed, of each scale.
        definitions: what each change is.
    """

    table: Table
    charts: list[Markup]
    definitions: dict[str, str]


def shift_section(results: Sequence[ShiftResult]) -> Shifts | None:
    """Prepare the section; ``None`` where no change was tried."""
    if not results:
        return None
    columns = ("Shift", "False alarms", "Misses", "Not inspectable", "Image AUROC")
    curves = (
        _curve(results, BRIGHTNESS, "change of brightness in percent"),
        _curve(results, DISPLACEMENT, "shift to the right and down in pixels"),
    )
    return Shifts(
        Table("Errors at the model's own threshold", columns, [_row(result) for result in results]),
        [curve for curve in curves if curve],
        {result.shift.name: result.shift.definition for result in results},
    )


def _row(result: ShiftResult) -> tuple[str, ...]:
    errors = Rate(result.false_alarms, result.good), Rate(result.misses, result.defective)
    rates = (
        f"{rate.flagged} of {rate.images} ({percent(rate.share)})" if rate.images else "–" for rate in errors
    )
    return result.shift.name, *rates, str(result.not_inspectable), decimal(result.image_auroc)


def _curve(results: Sequence[ShiftResult], scale: str, across: str) -> Markup | None:
    """Draw the errors along a scale; ``None`` where too few images could be decided on."""
    along = [result for result in results if result.shift.scale == scale or result.shift == UNCHANGED]
    along = [result for result in along if result.good and result.defective]
    along.sort(key=lambda result: result.shift.amount)
    if len(along) < 2:
        return None
    lines = (
        ("false alarms", [result.false_alarms / result.good for result in along]),
        ("misses", [result.misses / result.defective for result in along]),
    )
    return charts.error_rates([result.shift.amount for result in along], lines, across)
