"""The part of a report that sets the promised false-alarm rate beside what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.calibration.conformal import smallest_rate
from twinspect.report import charts
from twinspect.report.formatting import (
    Rate,
    calibration_spread,
    chance_of_as_many,
    false_alarms,
    percent,
    plural,
)
from twinspect.report.markup import NOTHING, Html, element, join, section, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinspect.calibration.conformal import Calibration
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.inference.results import ImageScore

OTHER_RATES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25)
"""Rates to compare with, as far as the held-out images can promise them."""
UNLIKELY: Final = 0.05
"""More false alarms than promised are put down to chance unless chance gives them this rarely."""


def promise(calibration: Calibration, found: Evaluation) -> Html:
    """Set what was promised beside what was observed, and beside what other promises would have given."""
    said = element("p", "Promised: ", element("strong", calibration.promise()), ".")
    rule = f"An image is called anomalous when its raw score is above {calibration.threshold:.6g}"
    rule += ", or above its category's own threshold." if calibration.by_category else "."
    rate = false_alarms(found.rows)
    words = element("div", said, *_observed(calibration, rate), element("p", rule))
    chart = charts.rates(calibration.false_alarm_rate, rate.share, rate.interval) if rate.images else NOTHING
    pair = element("div", words, chart, class_="pair")
    parts = (_by_category(calibration, found), _on_average(calibration), _other_promises(calibration, found))
    return section("The promise", pair, *parts)


def _by_category(calibration: Calibration, found: Evaluation) -> Html:
    """Set each category's own threshold beside the pooled one: good averages can hide scales that do not match."""
    if not calibration.by_category:
        return NOTHING
    rows = [_category(name, calibration, found) for name in found.categories]
    columns = ("Category", "Held out", "Own threshold", "False alarms", "Misses")
    pooled = ("False alarms, pooled threshold", "Misses, pooled threshold")
    title = f"Own thresholds beside the pooled one, {calibration.threshold:.4g}"
    words = (
        "The pooled threshold decides where nobody says what an image shows. It keeps the promise over all "
        "categories together, not in each."
    )
    return join([table((*columns, *pooled), rows, title), element("p", words, class_="note")])


def _category(name: str, calibration: Calibration, found: Evaluation) -> tuple[str, ...]:
    rows = [row for row in found.rows if row.sample.category == name]
    own = calibration.by_category.get(name)
    held = str(calibration.categories.count(name))
    first = (f"{own.threshold:.4g}", *_counted(rows, own.threshold)) if own else ("pooled", "", "")
    return (name or "all images", held, *first, *_counted(rows, calibration.threshold))


def _observed(calibration: Calibration, rate: Rate) -> tuple[Html, ...]:
    """Say what came of the promise."""
    if not rate.images:
        return (element("p", "No good images in the test, so the promise could not be checked."),)
    seen = element("strong", f"{rate.words()} of the good test images")
    return element("p", "Observed: ", seen, " were flagged."), _verdict(calibration, rate)


def _verdict(calibration: Calibration, rate: Rate) -> Html:
    promised = percent(calibration.false_alarm_rate)
    if rate.share <= calibration.false_alarm_rate:
        return element("p", "Within the promise.", class_="verdict fine")
    if calibration.by_category:  # several thresholds: there is no one distribution to compare with
        return element("p", f"Above {promised}: see the categories below.", class_="verdict")
    chance = chance_of_as_many(calibration, rate)
    about = "" if calibration.kind == "split" else "about "  # the folds of cv do not share one model
    among = f"good images like the held-out ones give as many in {about}{percent(chance)} of evaluations"
    if chance >= UNLIKELY:
        return element("p", f"Above {promised}, as chance allows: {among}.", class_="verdict")
    words = (
        f"More false alarms than promised: {among}. Were these taken with another camera, in other light, of "
        "other parts? Then calibrate on such good images."
    )
    return element("p", words, class_="verdict poor")


def _on_average(calibration: Calibration) -> Html:
    """Say what the promise does not say."""
    if calibration.kind != "split" or calibration.by_category:
        return NOTHING
    low, high = map(percent, calibration_spread(calibration))
    images = plural(len(calibration.scores), "image")
    words = (
        f"The promise is an average over draws of held-out images. One threshold from {images} has a true "
        f"rate between {low} and {high} in 95 of 100 draws; more held-out images narrow this."
    )
    return element("p", words, class_="note")


def _other_promises(calibration: Calibration, found: Evaluation) -> Html:
    """Tabulate what the thresholds of other promises would have done to the same images."""
    own, smallest = calibration.false_alarm_rate, smallest_rate(len(calibration.scores))
    others = sorted((rate for rate in OTHER_RATES if rate > smallest), reverse=True)
    # Rates that lead to the same threshold are one line: under the model's own rate, or else the smallest.
    rates = {calibration.threshold_at(rate): rate for rate in (*others, smallest, own)}
    lines = sorted((rate, threshold) for threshold, rate in rates.items())
    if len(lines) == 1:
        return NOTHING
    rows = [_other(rate, threshold, found, own=rate == own) for rate, threshold in lines]
    columns = ("Promised at most", "Threshold", "False alarms", "Misses")
    grid = table(columns, rows, "What other promises would have given on these images")
    words = (
        "Choose by what a false alarm and a miss cost, not by these counts: a threshold fitted to test "
        "images promises nothing. To choose: "
    )
    command = element("code", "twinspect calibrate MODEL --false-alarm-rate RATE")
    return join([grid, element("p", words, command, class_="note")])


def _other(rate: float, threshold: float, found: Evaluation, *, own: bool) -> tuple[str, ...]:
    return (
        percent(rate) + (" (this model)" if own else ""),
        f"{threshold:.4g}",
        *_counted(found.rows, threshold),
    )


def _counted(rows: Iterable[ImageScore], threshold: float) -> tuple[str, str]:
    """Count the false alarms and the misses of a threshold."""
    readable = [row for row in rows if not row.error]
    alarms = [row.score > threshold for row in readable if row.sample.is_good]
    missed = [row.score <= threshold for row in readable if not row.sample.is_good]
    return f"{sum(alarms)} of {len(alarms)}", f"{sum(missed)} of {len(missed)}"
