"""Charts as inline SVG: they take the colours of the page, light or dark, and their text stays text.

Every line differs from the others in more than colour: in dash, in place or in its label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.report.heatmaps import colour
from twinspect.report.markup import NOTHING, Html, element, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from twinspect.metrics import Curve
    from twinspect.report.heatmaps import MapRange

BINS: Final = 36
"""Bars across a histogram."""
PRO_LIMITS: Final = (0.05, 0.3)
"""False-positive rates up to which the area under the PRO curve is reported."""
PRO_SHOWN: Final = 0.4
"""Where the drawn PRO curve ends: what comes after counts for nothing."""


@dataclass(frozen=True)
class Plane:
    """Where data lie on a drawing.

    Attributes:
        x: range of the data from left to right.
        y: range of the data from bottom to top.
        box: left, top, width and height of the plane, in pixels of the drawing.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    box: tuple[float, float, float, float]

    def across(self, values: ArrayLike) -> NDArray[np.float64]:
        """Place values of x, in pixels."""
        left, _, width, _ = self.box
        return left + (np.asarray(values, dtype=np.float64) - self.x[0]) / (self.x[1] - self.x[0]) * width

    def up(self, values: ArrayLike) -> NDArray[np.float64]:
        """Place values of y, in pixels from the top."""
        _, top, _, height = self.box
        return top + height - (np.asarray(values, dtype=np.float64) - self.y[0]) / (self.y[1] - self.y[0]) * height

    def line(self, xs: ArrayLike, ys: ArrayLike, class_: str) -> Html:
        """Draw a line through points."""
        return element("polyline", points=_points(self.across(xs), self.up(ys)), class_=class_)

    def upright(self, x: float, class_: str) -> Html:
        """Draw a line from bottom to top at one x."""
        return self.line([x, x], self.y, class_)


def roc(curves: Sequence[tuple[str, Curve]], point: tuple[float, float] | None) -> Html:
    """Draw ROC curves.

    Args:
        curves: up to two, each with its label; those without points are left out.
        point: false-alarm rate and share of anomalous images found at the model's threshold, if both are known.
    """
    plane = _unit_plane((0.0, 1.0))
    drawn = [(label, curve) for label, curve in curves if curve.x.size]
    parts = [plane.line([0, 1], [0, 1], "chance")]
    for number, (label, curve) in enumerate(drawn):
        parts += [plane.line(curve.x, curve.y, f"curve c{number}"), _key(plane, number, label, len(drawn) + bool(point))]
    if point:
        x, y = float(plane.across(point[0])), float(plane.up(point[1]))
        parts += [element("circle", cx=x, cy=y, r=5, class_="point"), _point_key(plane, len(drawn))]
    axes = _axes(plane, (0, 0.25, 0.5, 0.75, 1), "false-positive rate", "true-positive rate")
    return _drawing(460, 380, "ROC curves: " + ", ".join(label for label, _ in drawn), axes, *parts)


def pro(curve: Curve, label: str) -> Html:
    """Draw a PRO curve up to where it stops counting, with the limits of integration.

    Args:
        curve: false-positive rate against per-region overlap.
        label: its name, with the area.
    """
    plane = _unit_plane((0.0, PRO_SHOWN))
    limit = PRO_LIMITS[-1]
    inside = curve.x <= limit
    end = float(np.interp(limit, curve.x, curve.y))
    xs, ys = [*curve.x[inside], limit, limit, 0], [*curve.y[inside], end, 0, 0]
    shown = curve.x <= PRO_SHOWN
    last = float(np.interp(PRO_SHOWN, curve.x, curve.y))
    parts = [
        element("polygon", points=_points(plane.across(xs), plane.up(ys)), class_="area"),
        plane.line([*curve.x[shown], PRO_SHOWN], [*curve.y[shown], last], "curve c1"),
        *[_limit(plane, each) for each in PRO_LIMITS],
        _key(plane, 1, label, 2),
    ]
    axes = _axes(plane, (0, 0.1, 0.2, 0.3, 0.4), "false-positive rate of pixels", "per-region overlap")
    return _drawing(460, 380, f"PRO curve: {label}, integration limit {limit}", axes, *parts)


def histogram(groups: Sequence[tuple[str, Sequence[float]]], threshold: float) -> Html:
    """Draw the scores of each group as a row of bars over one scale, with the threshold through all rows.

    The threshold is an edge of bars, so no bar holds images of both decisions. Scores far above the threshold
    are gathered in the last bar: what matters is where groups meet.

    Args:
        groups: each with its name; empty ones are left out.
        threshold: raw score above which an image is called anomalous.
    """
    present = [(name, np.asarray(scores, dtype=np.float64)) for name, scores in groups if len(scores)]
    edges, gathered = _edges(np.concatenate([scores for _, scores in present]), threshold)
    low, high = float(edges[0]), float(edges[-1])
    height, left, width = 70.0, 170.0, 690.0
    bottom = 30 + height * len(present)
    parts: list[Html] = []
    for number, (name, scores) in enumerate(present):
        top = 30 + height * number
        parts += _strip(Plane((low, high), (0, 1), (left, top + 16, width, height - 16)), name, scores, edges, threshold)
    plane = Plane((low, high), (0, 1), (left, 24, width, bottom - 24))
    x = float(plane.across(threshold))
    side = "end" if x > left + width / 2 else "start"
    words = f"threshold {threshold:.4g}"
    parts += [
        plane.upright(threshold, "threshold"),
        _text(x + (-6 if side == "end" else 6), 20, words, anchor=side, class_="strong"),
        *_scale(plane, ticks(low, high), "raw image score" + (" (last bar: all above)" if gathered else "")),
    ]
    return _drawing(900, bottom + 46, f"Scores of {', '.join(name for name, _ in present)}, and the {words}", *parts)


def rates(promised: float, observed: float, interval: tuple[float, float]) -> Html:
    """Draw an observed rate with its interval beside the promised one.

    Args:
        promised: the false-alarm rate promised, in (0, 1).
        observed: the rate found.
        interval: both ends of its 95 % interval.
    """
    top = ticks(0, min(1, 1.15 * max(promised, interval[1])))[-1]
    plane = Plane((0, top), (0, 1), (14, 26, 412, 44))
    x = float(plane.across(promised))
    anchor = "start" if promised < top / 3 else "end" if promised > 2 * top / 3 else "middle"
    parts = [
        element("rect", x=14, y=26, width=x - 14, height=44, class_="allowed"),
        plane.upright(promised, "threshold"),
        _text(x, 18, f"promised: at most {percent(promised)}", anchor=anchor, class_="strong"),
        plane.line(interval, (0.5, 0.5), "whisker"),
        *[plane.line((end, end), (0.3, 0.7), "whisker") for end in interval],
        element("circle", cx=float(plane.across(observed)), cy=48, r=6, class_="point"),
        *_scale(plane, ticks(0, top), "false-alarm rate", share=True),
    ]
    low, high = map(percent, interval)
    label = f"Promised at most {percent(promised)}; observed {percent(observed)}, interval {low} to {high}"
    return _drawing(440, 116, label, *parts)


def legend(map_range: MapRange) -> Html:
    """Draw the colours of the heat maps with the raw values they stand for.

    Args:
        map_range: the typical and the highest pixel of held-out good images.
    """
    low, high = map_range
    top = 2 * high - low
    colours = colour(np.linspace(low, top, 64, dtype=np.float32)[None], map_range)[0]
    width = 640 / len(colours)
    boxes = [
        element("rect", x=80 + width * i, y=6, width=width + 0.5, height=20, fill=f"#{r:02x}{g:02x}{b:02x}")
        for i, (r, g, b) in enumerate(colours)
    ]
    marks = (
        (80, low, "typical good pixel"),
        (400, high, "highest held-out good pixel"),
        (720, top, "as far again above, or more"),
    )
    words = [
        part
        for x, value, name in marks
        for part in (
            element("line", x1=x, x2=x, y1=26, y2=32, class_="axis"),
            _text(x, 47, f"{value:.4g}", class_="strong"),
            _text(x, 63, name),
        )
    ]
    return _drawing(800, 70, "Colours of the heat maps, from dark to light", *boxes, *words)


def ticks(low: float, high: float) -> list[float]:
    """Choose about five round numbers that cover a range, the last not below ``high``.

    >>> ticks(0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * min((1, 2, 5, 10), key=lambda factor: abs(math.log(factor * unit / rough)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def percent(share: float) -> str:
    """Write a share as a percentage of three significant digits.

    >>> percent(0.0714)
    '7.14 %'
    """
    return f"{100 * share:.3g}\N{NO-BREAK SPACE}%"


def _edges(scores: NDArray[np.float64], threshold: float) -> tuple[NDArray[np.float64], bool]:
    """Choose edges of bars, one of them the threshold; and say whether the last bar gathers what is above it."""
    low, high = min(float(scores.min()), threshold), max(float(scores.max()), threshold)
    reach = threshold + 4 * (threshold - low)
    gathered = threshold > low and high > reach
    high = reach if gathered else high
    width = (high - low) / BINS or abs(threshold) / BINS or 1.0
    below, above = max(1, math.ceil((threshold - low) / width)), max(1, math.ceil((high - threshold) / width))
    return threshold + width * np.arange(-below, above + 1), gathered


def _counts(scores: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count scores in bars that hold their right edge, as the decision ``score > threshold`` wants it."""
    bars = np.searchsorted(edges, scores, side="left") - 1
    return np.bincount(np.clip(bars, 0, len(edges) - 2), minlength=len(edges) - 1)


def _strip(
    plane: Plane, name: str, scores: NDArray[np.float64], edges: NDArray[np.float64], threshold: float
) -> list[Html]:
    counts = _counts(scores, edges)
    base, most = float(plane.up(0)), int(counts.max())
    parts = [plane.line(plane.x, (0, 0), "axis"), _text(158, base - 20, name, anchor="end", class_="strong")]
    parts.append(_text(158, base - 4, f"{int((scores > threshold).sum())} of {len(scores)} above", anchor="end"))
    for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True):
        if count:
            (x0, x1), y = plane.across([start, end]), float(plane.up(count / most))
            side = "above" if (start + end) / 2 > threshold else "below"
            bar = element("title", f"{count} of {len(scores)} from {start:.4g} to {end:.4g}")
            parts.append(
                element("rect", bar, x=x0 + 0.5, y=y, width=max(x1 - x0 - 1, 0.5), height=base - y, class_=f"bar {side}")
            )
    return parts


def _unit_plane(x: tuple[float, float]) -> Plane:
    return Plane(x, (0.0, 1.0), (54, 12, 392, 312))


def _axes(plane: Plane, across: Iterable[float], x_name: str, y_name: str) -> Html:
    """Draw a grid over 0..1 upwards, the numbers and the names of both axes."""
    left, top, _, height = plane.box
    parts = _scale(plane, across, x_name, grid=True)
    for value in (0, 0.25, 0.5, 0.75, 1):
        y = float(plane.up(value))
        parts += [plane.line(plane.x, (value, value), "grid"), _text(left - 8, y + 4, f"{value:g}", anchor="end")]
    middle = top + height / 2
    name = _text(14, middle, y_name, transform=f"rotate(-90 14 {middle:g})")
    return join([*parts, name])


def _scale(plane: Plane, values: Iterable[float], name: str, *, grid: bool = False, share: bool = False) -> list[Html]:
    """Draw the numbers below a plane, those inside its range, and the name of its x axis."""
    left, top, width, height = plane.box
    bottom = top + height
    parts = [_text(left + width / 2, bottom + 40, name)]
    for value in values:
        if plane.x[0] <= value <= plane.x[1] * (1 + 1e-9):
            x = float(plane.across(value))
            mark = plane.upright(value, "grid") if grid else element("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="axis")
            parts += [mark, _text(x, bottom + 20, percent(value) if share else f"{value:g}")]
    return parts


def _limit(plane: Plane, limit: float) -> Html:
    x = float(plane.across(limit))
    return join([plane.upright(limit, "limit"), _text(x + 5, float(plane.up(0.02)), f"limit {limit:g}", anchor="start")])


def _key(plane: Plane, number: int, label: str, of: int) -> Html:
    """Name a curve at the lower right, above the other names."""
    y = _key_height(plane, number, of)
    right = plane.box[0] + plane.box[2] - 12
    sample = element("line", x1=right - 28, x2=right, y1=y - 4, y2=y - 4, class_=f"curve c{number}")
    return join([sample, _text(right - 36, y, label, anchor="end", class_="strong")])


def _point_key(plane: Plane, number: int) -> Html:
    y = _key_height(plane, number, number + 1)
    right = plane.box[0] + plane.box[2] - 12
    sample = element("circle", cx=right - 14, cy=y - 4, r=5, class_="point")
    return join([sample, _text(right - 36, y, "images at the threshold", anchor="end", class_="strong")])


def _key_height(plane: Plane, number: int, of: int) -> float:
    return float(plane.up(0.1)) - 22 * (of - 1 - number)


def _text(
    x: float, y: float, words: str, *, anchor: str = "middle", class_: str | None = None, transform: str | None = None
) -> Html:
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=class_, transform=transform)


def _points(xs: Iterable[float], ys: Iterable[float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def _drawing(width: float, height: float, label: str, *parts: Html) -> Html:
    size = f"0 0 {width:g} {height:g}"
    return element("svg", element("title", label), *parts or (NOTHING,), viewBox=size, role="img", aria_label=label)
