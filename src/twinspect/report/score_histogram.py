"""The chart of scores: a row of bars for each group of images, over one scale that the threshold crosses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from twinspect.report.charts import ticks
from twinspect.report.svg import (
    BLUE,
    INK,
    ORANGE,
    SHEET,
    SOFT,
    THRESHOLD,
    TITLE,
    in_page_style,
    inline_svg,
    new_axes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

BARS: Final = 36
"""Bars across the scale, or one or two more."""
REACH: Final = 4
"""The scale ends at so many times the way from the lowest score to the threshold, counted from there."""
ROW_HEIGHT: Final = 70
"""In pixels."""
TALLEST: Final = 0.77
"""The share of a row's height that its fullest bar takes."""


@in_page_style
def histogram(groups: Sequence[tuple[str, Sequence[float]]], threshold: float) -> Markup:
    """Draw the scores of each group as a row of bars.

    The threshold is an edge of bars, so no bar holds images of both decisions. Scores far above it are
    gathered in the last bar: what matters is where the groups meet.

    Args:
        groups: each with its name; empty ones are left out, one must not be empty.
        threshold: raw score above which an image is called anomalous.
    """
    present = [(name, np.asarray(scores, dtype=np.float64)) for name, scores in groups if len(scores)]
    edges, gathered = bar_edges(np.concatenate([scores for _, scores in present]), threshold)
    low, high = float(edges[0]), float(edges[-1])
    axes = new_axes((900, 76 + ROW_HEIGHT * len(present)), left=130, top=30, right=20, bottom=46)
    marks = [tick for tick in ticks(low, high) if low <= tick <= high]
    axes.set(xlim=(low, high), ylim=(0, len(present)), xticks=marks, yticks=())
    axes.set_xlabel("raw image score" + (" (the last bar holds all above it)" if gathered else ""))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(visible=False)
    for row, (name, scores) in enumerate(reversed(present)):
        _draw_row(axes, row, name, scores, edges, threshold)
    axes.axvline(threshold, **THRESHOLD)
    crowded = threshold > (low + high) / 2  # its name goes to the side that has more room
    axes.annotate(
        f"threshold {threshold:.4g}",
        (threshold, len(present)),
        (-6 if crowded else 6, 8),
        textcoords="offset points",
        horizontalalignment="right" if crowded else "left",
        color=INK,
    )
    return inline_svg(axes, f"Scores of images by group, threshold {threshold:.4g}")


def bar_edges(scores: Floats, threshold: float) -> tuple[Floats, bool]:
    """Choose the edges of bars, one of them the threshold.

    Args:
        scores: (N,) all scores.
        threshold: the raw score that must be an edge.

    Returns:
        Ascending edges, and whether scores above the last one count into the last bar.
    """
    low, high = min(float(scores.min()), threshold), max(float(scores.max()), threshold)
    reach = threshold + REACH * (threshold - low)
    gathered = low < threshold and reach < high
    high = min(high, reach) if gathered else high
    width = (high - low) / BARS or abs(threshold) / BARS or 1.0
    below = max(1, math.ceil((threshold - low) / width))
    above = max(1, math.ceil((high - threshold) / width))
    edges: Floats = (threshold + width * np.arange(-below, above + 1)).astype(np.float64)
    return edges, gathered


def bar_counts(scores: Floats, edges: Floats) -> list[int]:
    """Count scores in bars that hold their right edge, as the decision ``score > threshold`` wants it.

    Args:
        scores: (N,) raw scores.
        edges: (K + 1,) ascending; what lies outside counts into the outermost bars.

    Returns:
        K counts.
    """
    last = len(edges) - 2
    bars = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, last)
    counts: list[int] = np.bincount(bars, minlength=last + 1).tolist()
    return counts


def _draw_row(axes: Axes, row: int, name: str, scores: Floats, edges: Floats, threshold: float) -> None:
    """Draw one group, as high as its fullest bar, with how many lie above the threshold."""
    counts = np.array(bar_counts(scores, edges))
    filled = np.flatnonzero(counts)
    starts, ends = edges[filled], edges[filled + 1]
    bars = axes.bar(
        starts,
        counts[filled] / counts.max() * TALLEST,
        ends - starts,
        row,
        align="edge",
        color=np.where(starts >= threshold, ORANGE, BLUE),
        edgecolor=SHEET,
    )
    for bar, start, end, count in zip(bars, starts, ends, counts[filled], strict=True):
        until = f", up to {end:.4g}" if end < edges[-1] else ""
        bar.set_gid(f"{TITLE}{count} of {len(scores)} above {start:.4g}{until}")
    axes.axhline(row, color=SOFT, linewidth=1)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "horizontalalignment": "right"}
    axes.text(-0.016, row + 0.28, name, color=INK, **beside)
    axes.text(-0.016, row + 0.05, f"{int((scores > threshold).sum())} of {len(scores)} above", **beside)
