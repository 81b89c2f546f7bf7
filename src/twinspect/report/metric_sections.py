"""The sections of a report on metrics, scores and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.metrics import DEFINITIONS, FURTHER_DEFINITIONS, roc_curve
from twinspect.metrics.definitions import TITLES
from twinspect.report import charts
from twinspect.report.formatting import Rate, decimal, detections, false_alarms, interval, percent
from twinspect.report.rendering import Table
from twinspect.report.score_histogram import histogram

if TYPE_CHECKING:
    from markupsafe import Markup

    from twinspect.calibration.conformal import Calibration
    from twinspect.evaluation.evaluation import Evaluation, Interval
    from twinspect.metrics import Curve

MEAN_AND_POOLED: Final = {
    "mean": "Mean over the categories for which the metric is defined.",
    "pooled": "All images together: one scale of scores, the pooled threshold.",
}
"""What the last rows of the table are."""
RATES: Final = ("false_alarm_rate", "miss_rate")


def metric_section(evaluation: Evaluation) -> dict[str, Any]:
    """Compute what ``metrics.html`` shows: every metric that is defined for some category, with definitions."""
    intervals = evaluation.intervals
    rows = [
        (name or "all images", values, intervals.categories.get(name))
        for name, values in evaluation.categories.items()
    ]
    if len(rows) > 1:  # of one category, the mean and the whole are itself
        rows += [("mean", evaluation.mean, intervals.mean), ("pooled", evaluation.pooled, intervals.pooled)]
    defined = [key for key in evaluation.pooled if any(values[key] is not None for _, values, _ in rows)]
    thresholds = {values["threshold"] for _, values, _ in rows if values["threshold"] is not None}
    keys = [key for key in defined if key != "threshold" or len(thresholds) > 1]
    return {
        "table": Table(
            "Metrics on the raw scores and maps",
            ("Category", *[TITLES.get(key, key) for key in keys]),
            [(name, *[_metric(key, values[key], ends) for key in keys]) for name, values, ends in rows],
        ),
        "definitions": {
            **{TITLES.get(key, key): DEFINITIONS[key] for key in defined},
            **MEAN_AND_POOLED,
            "Interval": FURTHER_DEFINITIONS["image_auroc_interval"],
        },
        "has_intervals": "image_auroc" in defined,
    }


def _metric(key: str, value: float | None, ends: Interval) -> str:
    if key == "image_auroc" and ends is not None:
        return f"{decimal(value)} ({interval(ends)})"
    return percent(value) if key in RATES and value is not None else decimal(value)


def score_chart(calibration: Calibration, evaluation: Evaluation) -> Markup:
    """Draw the scores of the held-out, the good and the anomalous images."""
    rows = [row for row in evaluation.rows if not row.error]
    groups = (
        ("held-out good", list(calibration.scores)),
        ("good", [row.score for row in rows if row.sample.is_good]),
        ("anomalous", [row.score for row in rows if not row.sample.is_good]),
    )
    return histogram(groups, calibration.threshold)


def curve_section(evaluation: Evaluation) -> dict[str, Any]:
    """Draw the ROC and PRO curves that ``curves.html`` shows, or name the sort of image that is missing."""
    alarms, hits = false_alarms(evaluation.rows), detections(evaluation.rows)
    if not (alarms.images and hits.images):
        return {"missing": "anomalous" if alarms.images else "good"}
    pixels = evaluation.pixels.curves() if evaluation.pixels else None
    pro_label = f"AUPRO {decimal(evaluation.pooled['aupro_30'])} up to 0.3"
    return {
        "missing": "",
        "roc": _roc(evaluation, pixels.roc if pixels else None, (alarms.share, hits.share)),
        "pro": charts.pro(pixels.pro, pro_label) if pixels and pixels.pro.x.size else None,
    }


def _roc(evaluation: Evaluation, pixels: Curve | None, threshold: tuple[float, float]) -> Markup:
    rows = [row for row in evaluation.rows if not row.error]
    images = roc_curve([not row.sample.is_good for row in rows], [row.score for row in rows])
    curves = [(f"images (AUROC {decimal(evaluation.pooled['image_auroc'])})", images)]
    if pixels:
        curves.append((f"pixels (AUROC {decimal(evaluation.pooled['pixel_auroc'])})", pixels))
    return charts.roc(curves, threshold)


def defect_table(evaluation: Evaluation) -> Table:
    """Tabulate how well each kind of defect is found."""
    several = len(evaluation.categories) > 1
    category = ("Category",) if several else ()
    return Table(
        "Images of each label that were flagged as anomalous; of good ones, false alarms",
        ("Label", *category, "Images", "Flagged", "95 % interval", "Image AUROC"),
        [
            (row["label"], *([row["category"]] if several else []), *_flagged(row))
            for row in evaluation.defects
        ],
    )


def _flagged(row: dict[str, Any]) -> tuple[str, ...]:
    rate = Rate(row["flagged"], row["images"])
    if not rate.images:  # none could be inspected
        return "0", "–", "–", decimal(row["image_auroc"])
    low, high = map(percent, row["flagged_interval_95"])
    flagged = f"{rate.flagged} ({percent(rate.share)})"
    return str(rate.images), flagged, f"{low} to {high}", decimal(row["image_auroc"])
