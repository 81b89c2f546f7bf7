"""The chart of scores: a row of bars for each group of images, over one scale that the threshold crosses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.report.charts import Plane, drawing, text, ticks
from twinspect.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BARS: Final = 36
"""Bars across the scale, or one or two more."""
REACH: Final = 4
"""The scale ends at so many times the way from the lowest score to the threshold, counted from there."""
LEFT, TOP, WIDTH, ROW = 130.0, 30.0, 750.0, 70.0
"""Places and sizes in pixels: where rows begin, how wide and how high each is."""


def histogram(groups: Sequence[tuple[str, Sequence[float]]], threshold: float) -> Html:
    """Draw the scores of each group as a row of bars.

    The threshold is an edge of bars, so no bar holds images of both decisions. Scores far above it are
    gathered in the last bar: what matters is where the groups meet.

    Args:
        groups: each with its name; empty ones are left out, one must not be empty.
        threshold: raw score above which an image is called anomalous.
    """
    present = [(name, np.asarray(scores, dtype=np.float64)) for name, scores in groups if len(scores)]
    edges, gathered = bar_edges(np.concatenate([scores for _, scores in present]), threshold)
    span = (float(edges[0]), float(edges[-1]))
    rows = [
        _row(
            Plane(span, (0, 1), LEFT, TOP + ROW * number + 16, WIDTH, ROW - 16),
            name,
            scores,
            edges,
            threshold,
        )
        for number, (name, scores) in enumerate(present)
    ]
    plane = Plane(span, (0, 1), LEFT, TOP - 6, WIDTH, ROW * len(present) + 6)
    name = "raw image score" + (" (the last bar holds all above it)" if gathered else "")
    scale = plane.scale(ticks(*span), name, lambda value: f"{value:g}")
    label = f"Scores of images by group, threshold {threshold:.4g}"
    return drawing(900, plane.bottom + 46, label, *rows, _threshold(plane, threshold), scale)


def bar_edges(scores: NDArray[np.float64], threshold: float) -> tuple[NDArray[np.float64], bool]:
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
    edges: NDArray[np.float64] = (threshold + width * np.arange(-below, above + 1)).astype(np.float64)
    return edges, gathered


def bar_counts(scores: NDArray[np.float64], edges: NDArray[np.float64]) -> list[int]:
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


def _row(
    plane: Plane, name: str, scores: NDArray[np.float64], edges: NDArray[np.float64], threshold: float
) -> Html:
    """Draw one group, as high as its fullest bar, with how many lie above the threshold."""
    counts = bar_counts(scores, edges)
    bars = []
    for start, end, count in zip(edges.tolist(), edges[1:].tolist(), counts, strict=False):
        if count:
            title = f"{count} of {len(scores)} above {start:.4g}" + (
                f", up to {end:.4g}" if end < edges[-1] else ""
            )
            side = "above" if start >= threshold else "below"
            bars.append(_bar(plane, (start, end), count / max(counts), title, f"bar {side}"))
    above = f"{int((scores > threshold).sum())} of {len(scores)} above"
    words = (
        text((LEFT - 12, plane.bottom - 20), name, "end", strong=True),
        text((LEFT - 12, plane.bottom - 4), above, "end"),
    )
    return join([plane.line(plane.x, (0, 0), "axis"), *words, *bars])


def _bar(plane: Plane, ends: tuple[float, float], share: float, title: str, class_: str) -> Html:
    (left, top), (right, bottom) = plane.place(ends[0], share), plane.place(ends[1], 0)
    size = {"width": right - left - 1, "height": bottom - top}  # a gap of one pixel parts the bars
    return element("rect", element("title", title), x=left + 0.5, y=top, class_=class_, **size)


def _threshold(plane: Plane, threshold: float) -> Html:
    """Draw the threshold, its name on the side that has more room."""
    x = float(plane.across(threshold))
    words = f"threshold {threshold:.4g}"
    crowded = x > plane.left + plane.width / 2
    name = (
        text((x - 6, 20), words, "end", strong=True)
        if crowded
        else text((x + 6, 20), words, "start", strong=True)
    )
    return join([plane.upright(threshold, "threshold"), name])
