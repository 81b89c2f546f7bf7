"""The parts of a report that stand on numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.metrics import DEFINITIONS, FURTHER_DEFINITIONS, roc_curve
from twinspect.metrics.definitions import TITLES
from twinspect.report import charts
from twinspect.report.formatting import Rate, decimal, false_alarms, finds, percent, plural
from twinspect.report.markup import NOTHING, Html, element, section, table
from twinspect.report.score_histogram import histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twinspect.calibration.conformal import Calibration
    from twinspect.evaluation.evaluation import Evaluation, Interval
    from twinspect.metrics import Curve

LINES: Final = {
    "mean": "Mean over the categories for which the metric is defined.",
    "pooled": "All images together: one scale of scores, the pooled threshold.",
}
"""What the last lines of the table are."""
INTERVALS: Final = "Behind each image AUROC stands its 95 % confidence interval."
RATES: Final = ("false_alarm_rate", "miss_rate")
MANY: Final = 40
"""A table with more rows than this is folded."""
NO_PRO: Final = "No PRO curve: no ground-truth mask marks an anomalous pixel."
NO_MASKS: Final = (
    "There are no pixel metrics and no PRO curve: no ground-truth masks came with these images. "
    "Masks go to ground_truth/<defect>/, or into the column mask of a manifest."
)


def metrics(found: Evaluation) -> Html:
    """Tabulate every metric that is defined for some category, with definitions below."""
    sure = found.intervals
    lines = [
        (name or "all images", values, sure.categories.get(name)) for name, values in found.categories.items()
    ]
    if len(lines) > 1:  # of one category, the mean and the whole are itself
        lines += [("mean", found.mean, sure.mean), ("pooled", found.pooled, sure.pooled)]
    defined = [key for key in found.pooled if any(values[key] is not None for _, values, _ in lines)]
    one = len({values["threshold"] for _, values, _ in lines if values["threshold"] is not None}) == 1
    keys = [key for key in defined if key != "threshold" or not one]
    columns = ("Category", *[TITLES.get(key, key) for key in keys])
    rows = [(name, *[_metric(key, values, ends) for key in keys]) for name, values, ends in lines]
    grid = table(columns, rows, "Metrics on the raw scores and maps")
    pixels = f"Maps and masks are compared at this resolution: {found.resolution}."
    note = element("p", pixels if found.pixels else NO_MASKS, class_="note")
    ends = element("p", INTERVALS, class_="note") if "image_auroc" in defined else NOTHING
    return section("Metrics", grid, ends, note, _bounds(found), _definitions(defined))


def _definitions(keys: Iterable[str]) -> Html:
    """Say what each number is; folded, for whoever asks."""
    meanings = {TITLES.get(key, key): DEFINITIONS[key] for key in keys} | LINES
    meanings["Interval"] = FURTHER_DEFINITIONS["image_auroc_interval"]
    terms = [
        part for name, meaning in meanings.items() for part in (element("dt", name), element("dd", meaning))
    ]
    return element("details", element("summary", "What each number means"), element("dl", *terms))


def _metric(key: str, values: dict[str, float | None], ends: Interval) -> str:
    value = values[key]
    if key == "image_auroc" and ends is not None:
        return f"{decimal(value)} ({between(ends)})"
    return percent(value) if key in RATES and value is not None else decimal(value)


def between(ends: tuple[float, float]) -> str:
    """Write an interval."""
    return f"{decimal(ends[0])} to {decimal(ends[1])}"


def _bounds(found: Evaluation) -> Html:
    if not found.error_bounds:
        return NOTHING
    words = f"Pixel metrics from binned scores, each off by at most: {bounds_words(found.error_bounds)}."
    return element("p", words, class_="note")


def bounds_words(bounds: Mapping[str, Mapping[str, float]]) -> str:
    """Say how far the metrics of each line may be off."""
    lines = [
        f"{name or 'all images'}: " + ", ".join(f"{key} {bound:.2g}" for key, bound in own.items())
        for name, own in bounds.items()
    ]
    return "; ".join(lines)


def scores(calibration: Calibration, found: Evaluation) -> Html:
    """Draw the scores of the held-out, the good and the anomalous images."""
    rows = [row for row in found.rows if not row.error]
    groups = (
        ("held-out good", list(calibration.scores)),
        ("good", [row.score for row in rows if row.sample.is_good]),
        ("anomalous", [row.score for row in rows if not row.sample.is_good]),
    )
    words = (
        "Good images to the right of the threshold are false alarms, anomalous ones to the left are misses. "
        "Each row is drawn to its own height."
    )
    chart = element("figure", histogram(groups, calibration.threshold), element("figcaption", words))
    return section("Scores", chart)


def curves(found: Evaluation) -> Html:
    """Draw the ROC and PRO curves."""
    alarms, hits = false_alarms(found.rows), finds(found.rows)
    if not (alarms.images and hits.images):
        missing = "anomalous" if alarms.images else "good"
        return section(
            "Curves", element("p", f"Curves need good and anomalous images; no {missing} ones are here.")
        )
    pixels = found.pixels.curves() if found.pixels else None
    roc = _roc(found, pixels.roc if pixels else None, (alarms.share, hits.share))
    pro = _pro(found, pixels.pro) if pixels and pixels.pro.x.size else element("p", NO_PRO, class_="note")
    pooled = element("p", "All categories together, on one scale of scores.", class_="note")
    return section(
        "Curves", element("div", roc, pro, class_="pair"), pooled if len(found.categories) > 1 else NOTHING
    )


def _roc(found: Evaluation, pixels: Curve | None, threshold: tuple[float, float]) -> Html:
    rows = [row for row in found.rows if not row.error]
    images = roc_curve([not row.sample.is_good for row in rows], [row.score for row in rows])
    drawn = [(f"images (AUROC {decimal(found.pooled['image_auroc'])})", images)]
    if pixels:
        drawn.append((f"pixels (AUROC {decimal(found.pooled['pixel_auroc'])})", pixels))
    caption = element(
        "figcaption", "ROC: the share of what is anomalous that is found, against false alarms."
    )
    return element("figure", charts.roc(drawn, threshold), caption)


def _pro(found: Evaluation, curve: Curve) -> Html:
    label = f"AUPRO {decimal(found.pooled['aupro_30'])} up to 0.3"
    words = "PRO: the share of each marked region that is found, averaged. Shaded: what AUPRO 0.3 counts."
    return element("figure", charts.pro(curve, label), element("figcaption", words))


def defects(found: Evaluation) -> Html:
    """Tabulate how well each kind of defect is found."""
    several = len(found.categories) > 1
    columns = (
        "Label",
        *(["Category"] if several else []),
        "Images",
        "Flagged",
        "95 % interval",
        "Image AUROC",
    )
    rows = [
        (line["label"], *([line["category"]] if several else []), *_flagged(line)) for line in found.defects
    ]
    grid = table(
        columns, rows, "Images of each label that were flagged as anomalous; of good ones, false alarms"
    )
    if len(rows) > MANY:
        grid = element("details", element("summary", f"All {len(rows)} labels"), grid)
    return section("Kinds of defect", grid)


def _flagged(line: dict[str, Any]) -> tuple[str, ...]:
    rate = Rate(line["flagged"], line["images"])
    low, high = map(percent, line["flagged_interval_95"])
    found = f"{rate.flagged} ({percent(rate.share)})"
    return str(rate.images), found, f"{low} to {high}", decimal(line["image_auroc"])


def unreadable(found: Evaluation) -> Html:
    """List the files that could not be read; they are in no number above."""
    failed = [(row.sample.name, row.error) for row in found.rows if row.error]
    if not failed:
        return NOTHING
    words = element("p", f"{plural(len(failed), 'file')} could not be read and count in no number above.")
    return section("Unreadable files", words, table(("File", "Reason"), failed, "Not read", wrapped=True))
