"""The part of a report that sets the promised false-alarm rate beside what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.calibration.conformal import smallest_rate
from twinspect.report import charts
from twinspect.report.formatting import Rate, calibration_spread, chance_of_as_many, false_alarms, percent
from twinspect.report.rendering import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinspect.calibration.conformal import Calibration
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.inference.results import ImageScore

OTHER_RATES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25)
"""Rates to compare with, as far as the held-out images can promise them."""
UNLIKELY: Final = 0.05
"""More false alarms than promised are put down to chance unless chance gives them this rarely."""


def false_alarm_section(calibration: Calibration, evaluation: Evaluation) -> dict[str, Any]:
    """Compute what ``false_alarms.html`` shows: promise, observation, and what other promises would have given."""
    of_parts = any(calibration.parts) and bool(evaluation.object_errors)
    rate = _parts_flagged(evaluation) if of_parts else false_alarms(evaluation.rows)
    promises = calibration.kind != "copies"
    chart = (
        charts.false_alarm_rate(calibration.false_alarm_rate, rate.share, rate.interval)
        if rate.images and promises
        else ""
    )
    one_split = calibration.kind == "split" and not calibration.by_category
    what = "part" if of_parts else "image"
    return {
        "rate": rate,
        "what": what,
        "held_out": "part" if any(calibration.parts) else "image",
        "verdict": _verdict(calibration, rate, what) if rate.images else None,
        "chart": chart,
        "by_category": _category_table(calibration, evaluation) if calibration.by_category else None,
        "spread": calibration_spread(calibration) if one_split else None,
        "other_rates": _other_rates_table(calibration, evaluation),
    }


def _parts_flagged(evaluation: Evaluation) -> Rate:
    """Count the good parts that were decided on, and those of them that were flagged."""
    errors = evaluation.object_errors.values()
    return Rate(sum(each.false_alarms for each in errors), sum(each.good for each in errors))


def _verdict(calibration: Calibration, rate: Rate, what: str) -> tuple[str, str]:
    """Judge the observed rate; a class of the page's style and a sentence."""
    promised = percent(calibration.false_alarm_rate)
    if calibration.kind == "copies":
        return "", "Nothing was promised."
    if rate.share <= calibration.false_alarm_rate:
        return "fine", "Within the promise."
    if calibration.by_category:  # several thresholds: there is no one distribution to compare with
        return "", f"Above {promised}: see the categories below."
    chance = chance_of_as_many(calibration, rate)
    about = "" if calibration.kind == "split" else "about "  # the folds of cv do not share one model
    among = f"good {what}s like the held-out ones give as many in {about}{percent(chance)} of evaluations"
    if chance >= UNLIKELY:
        return "", f"Above {promised}, as chance allows: {among}."
    return "poor", (
        f"More false alarms than promised: {among}. Were these taken with another camera, in other light, of "
        "other parts? Then calibrate on such good images."
    )


def _category_table(calibration: Calibration, evaluation: Evaluation) -> Table:
    """Set each category's own threshold beside the pooled one: good averages can hide scales that do not match."""
    columns = ("Category", "Held out", "Own threshold", "False alarms", "Misses")
    pooled = ("False alarms, pooled threshold", "Misses, pooled threshold")
    return Table(
        f"Own thresholds beside the pooled one, {calibration.threshold:.4g}",
        (*columns, *pooled),
        [_category_row(name, calibration, evaluation) for name in evaluation.categories],
    )


def _category_row(name: str, calibration: Calibration, evaluation: Evaluation) -> tuple[str, ...]:
    rows = [row for row in evaluation.rows if row.sample.category == name]
    own = calibration.by_category.get(name)
    held_out = str(calibration.categories.count(name))
    first = (f"{own.threshold:.4g}", *_errors(rows, own.threshold)) if own else ("pooled", "", "")
    return (name or "all images", held_out, *first, *_errors(rows, calibration.threshold))


def _other_rates_table(calibration: Calibration, evaluation: Evaluation) -> Table | None:
    """Tabulate what the thresholds of other promises would have done to the same images, if there are any."""
    own, smallest = calibration.false_alarm_rate, smallest_rate(len(calibration.part_scores))
    others = sorted((rate for rate in OTHER_RATES if rate > smallest), reverse=True)
    # Rates that lead to the same threshold are one row: under the model's own rate, or else the smallest.
    by_threshold = {calibration.threshold_at(rate): rate for rate in (*others, smallest, own)}
    if len(by_threshold) == 1:
        return None
    rows = [
        (
            percent(rate) + (" (this model)" if rate == own else ""),
            f"{threshold:.4g}",
            *_errors(evaluation.rows, threshold),
        )
        for rate, threshold in sorted((rate, threshold) for threshold, rate in by_threshold.items())
    ]
    columns = ("Promised at most", "Threshold", "False alarms", "Misses")
    return Table("What other promises would have given on these images", columns, rows)


def _errors(rows: Iterable[ImageScore], threshold: float) -> tuple[str, str]:
    """Count the false alarms and the misses of a threshold."""
    readable = [row for row in rows if not row.error]
    alarms = [row.score > threshold for row in readable if row.sample.is_good]
    misses = [row.score <= threshold for row in readable if not row.sample.is_good]
    return f"{sum(alarms)} of {len(alarms)}", f"{sum(misses)} of {len(misses)}"
