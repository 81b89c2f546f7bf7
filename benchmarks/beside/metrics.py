"""The metrics alone, on the same fabricated arrays: seconds, peak memory, and how far from a reference."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from beside.report import Report, Row, table
from beside.rounds import Figures, rounds

if TYPE_CHECKING:
    from pathlib import Path

    from beside.settings import Settings
    from beside.sides import Side

METRICS = {
    "image_auroc": "image AUROC, scores in 0..1",
    "image_auroc_raw": "image AUROC, raw scores about 20",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO (0.3)",
}


def measure(settings: Settings) -> Report:
    """Compute every metric in a process of its own, which also holds the arrays."""
    arrays = settings.out / f"arrays-{settings.maps}-{settings.side}.npz"
    if not arrays.is_file():
        settings.ours.run("arrays.py", "--maps", settings.maps, "--side", settings.side, "--out", arrays)
    reference = settings.ours.run("reference.py", arrays).output
    report, lines = Report(), []
    for metric, words in METRICS.items():
        turns = {
            side.name: partial(_compute, side, metric, arrays) for side in (settings.ours, settings.peer)
        }
        what = f"metric-{metric}-{settings.maps}-{settings.side}"
        found = rounds(settings.rounds, settings.out, what, turns)
        for figure, unit in (("seconds", "s"), ("mib", "MiB"), ("more", "MiB added by it")):
            names = (settings.ours.name, settings.peer.name)
            report.rows.append(Row.of(f"metric: {words}", unit, found, names, figure))
        lines.append([words, *_values(found[0], reference[metric])])
    head = ["metric", "reference", "twinspect", "anomalib", "twinspect - reference", "anomalib - reference"]
    report.tables.append(table(head, lines))
    report.notes.append(_what(settings, reference))
    return report


def _compute(side: Side, metric: str, arrays: Path) -> Figures:
    run = side.run("metric.py", metric, arrays)
    return {**run.output, "mib": run.mib}


def _values(found: dict[str, Figures], reference: float) -> list[str]:
    values = [each["value"] for each in (found["twinspect"], found["anomalib"])]
    return [
        *(f"{value:.9f}" for value in (reference, *values)),
        *(f"{value - reference:+.1e}" for value in values),
    ]


def _what(settings: Settings, reference: dict[str, Any]) -> str:
    return (
        f"metrics: {settings.maps} maps of {settings.side} px with {reference['regions']} regions, "
        f"{reference['scores']:,} image scores; reference: scikit-learn for AUROC, for AUPRO a count of "
        "pairs of pixels (benchmarks/ours/reference.py)"
    )
