"""The part of a report on defects as things: from which size on they are found."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from twinspect.evaluation.region_tally import REGION_METRICS
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.metrics.definitions import TITLES
from twinspect.report import charts
from twinspect.report.formatting import Rate, decimal, percent, plural
from twinspect.report.rendering import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from twinspect.evaluation.metric_row import MetricRow
    from twinspect.evaluation.region_tally import RegionTable
    from twinspect.metrics.region_detection import Recall, RegionMetrics

_SHOWN = tuple(key for key in REGION_METRICS if not key.startswith("region_recall_"))


class RegionSection(NamedTuple):
    """What the section shows.

    Attributes:
        sentences: how many defects are found, and from which size on.
        chart: recall against size; ``None`` where nothing was looked for, or nothing is to be found.
        sizes: recall of small, medium and large defects; ``None`` as well.
        metrics: the metrics of each category.
        definitions: what each number means.
    """

    sentences: tuple[str, ...]
    chart: Markup | None
    sizes: Table | None
    metrics: Table
    definitions: dict[str, str]


def region_section(regions: RegionTable) -> RegionSection | None:
    """Prepare the section; ``None`` without masks."""
    if not regions.rows:
        return None
    found = regions.found
    shown = found.recall.defects > 0
    further = {"By size": "region_recall_by_size", "Nine of ten": "finds_9_of_10_from_px"}
    names = {TITLES[key]: key for key in _SHOWN} | (further if shown else {})
    return RegionSection(
        tuple(_sentences(regions)) if shown else (),
        charts.recall_by_size(found.curve) if shown else None,
        Table("Defects by their area", ("Area", "Defects", "Found", "95 % interval"), list(_sizes(found)))
        if shown
        else None,
        _metrics(regions),
        {name: FURTHER_DEFINITIONS[key] for name, key in names.items()},
    )


def _sentences(regions: RegionTable) -> Iterator[str]:
    found = regions.found
    yield f"Of the marked defects, {Rate(found.recall.hit, found.recall.defects).describe()} show in a region"
    largest = found.of_largest
    if found.found_from is not None:
        side = sqrt(found.found_from)
        yield f"From {found.found_from:.0f} px of area on ({side:.0f} x {side:.0f}), nine of ten or more do"
    elif largest is not None:
        yield (
            f"Of those with {largest.at_least:.0f} px of area or more, the largest, {largest.hit} of "
            f"{largest.defects} do, so there is no size from which on nine of ten are found"
        )
    yield f"Nothing is marked at {found.false} of the {plural(found.found, 'region')} found"
    if regions.outside_roi:
        yield f"Outside of the region of interest lie {plural(regions.outside_roi, 'defect')} that count nowhere"


def _sizes(found: RegionMetrics) -> Iterator[tuple[str, ...]]:
    yield _row("any", found.recall)
    for name, recall in found.by_size.items():
        yield _row(f"{name}, {_between(recall)} px", recall)
    for name, recall in found.by_share.items():
        yield _row(f"{name}, {_between(recall, 100)} % of the image", recall)


def _between(recall: Recall, factor: float = 1) -> str:
    least, below = (f"{factor * bound:.4g}" for bound in (recall.at_least, recall.below))
    if recall.at_least == 0:
        return f"below {below}"
    return f"from {least}" if recall.below == float("inf") else f"{least} to {below}"


def _row(name: str, recall: Recall) -> tuple[str, ...]:
    if not recall.defects:
        return name, "0", "–", "–"
    low, high = map(percent, recall.interval)
    return name, str(recall.defects), f"{recall.hit} ({percent(recall.share)})", f"{low} to {high}"


def _metrics(regions: RegionTable) -> Table:
    rows: list[tuple[str, MetricRow]] = [(name or "all images", row) for name, row in regions.rows.items()]
    if len(rows) > 1:
        rows += [("mean", regions.mean), ("pooled", regions.pooled)]
    return Table(
        "Defects as things",
        ("Category", *[TITLES[key] for key in _SHOWN]),
        [(name, *[decimal(row[key]) for key in _SHOWN]) for name, row in rows],
    )
