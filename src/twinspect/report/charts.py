"""Charts as inline SVG: they take the colours of the page, light or dark, and their text stays text.

Every line differs from the others in more than colour: in dash, in place or in its label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.report.formatting import percent
from twinspect.report.heatmaps import colour, top_of_scale
from twinspect.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from twinspect.metrics import Curve
    from twinspect.report.heatmaps import MapRange


QUARTERS: Final = (0, 0.25, 0.5, 0.75, 1)
PRO_LIMITS: Final = (0.05, 0.3)
"""False-positive rates up to which the area under the PRO curve is reported."""
PRO_SHOWN: Final = 0.4
"""Where the drawn PRO curve ends: what comes after counts for nothing."""
SHADES: Final = 62
"""Boxes of colour in the legend."""


def roc(curves: Sequence[tuple[str, Curve]], threshold: tuple[float, float]) -> Html:
    """Draw ROC curves.

    Args:
        curves: one or two, each with its label; those without points are left out.
        threshold: false-alarm rate and share of anomalous images found at the model's own threshold.
    """
    plane = _square((0, 1))
    drawn = [(label, curve) for label, curve in curves if curve.x.size]
    names = [*[label for label, _ in drawn], "images at the threshold"]
    samples = [*[_line_sample(f"c{number}") for number in range(len(drawn))], dot((-14, -4))]
    parts = [
        plane.grid(QUARTERS, QUARTERS),
        plane.line((0, 1), (0, 1), "chance"),
        *[plane.line(curve.x, curve.y, f"curve c{number}") for number, (_, curve) in enumerate(drawn)],
        plane.dot(*threshold),
        plane.scale(QUARTERS, "false-positive rate", _plain),
        plane.side_name("true-positive rate"),
        _key(plane, names, samples),
    ]
    return drawing(460, 380, f"ROC curves: {', '.join(names)}", *parts)


def pro(curve: Curve, label: str) -> Html:
    """Draw a PRO curve until shortly after it stops counting, with the limits of integration.

    Args:
        curve: false-positive rate against per-region overlap, from 0 to 1.
        label: its name, with the area.
    """
    plane = _square((0, PRO_SHOWN))
    shown, counted = _until(curve, PRO_SHOWN), _until(curve, PRO_LIMITS[-1])
    rates = (0, 0.1, 0.2, 0.3, 0.4)
    parts = [
        plane.grid(rates, QUARTERS),
        plane.area([*counted[0], PRO_LIMITS[-1], 0], [*counted[1], 0, 0], "wash"),
        plane.line(*shown, "curve c1"),
        *[_limit(plane, limit) for limit in PRO_LIMITS],
        plane.scale(rates, "false-positive rate of pixels", _plain),
        plane.side_name("per-region overlap"),
        _key(plane, [label], [_line_sample("c1")]),
    ]
    return drawing(460, 380, f"PRO curve with its limits of integration, {PRO_LIMITS}: {label}", *parts)


def rates(promised: float, observed: float, interval: tuple[float, float]) -> Html:
    """Draw an observed rate with its interval beside the promised one.

    Args:
        promised: the false-alarm rate promised, in (0, 1).
        observed: the rate found.
        interval: both ends of its 95 % interval.
    """
    marks = ticks(0, min(1, 1.15 * max(promised, interval[1])))
    plane = Plane((0, marks[-1]), (0, 1), left=28, top=26, width=384, height=44)
    anchor = "start" if promised < plane.x[1] / 3 else "end" if promised > plane.x[1] * 2 / 3 else "middle"
    words = f"promised: at most {percent(promised)}"
    parts = [
        plane.area((0, promised, promised, 0), (0, 0, 1, 1), "wash"),
        plane.upright(promised, "threshold"),
        text((float(plane.across(promised)), 18), words, anchor, strong=True),
        plane.line(interval, (0.5, 0.5), "whisker"),
        *[plane.line((end, end), (0.3, 0.7), "whisker") for end in interval],
        plane.dot(observed, 0.5),
        plane.scale(marks, "false-alarm rate, observed with its 95 % interval", percent),
    ]
    low, high = map(percent, interval)
    return drawing(440, 116, f"{words}; observed {percent(observed)}, interval {low} to {high}", *parts)


def series(lines: Sequence[tuple[str, Sequence[float]]], name: str, across: str) -> Html:
    """Draw values that followed one another.

    Args:
        lines: one or two, each with its label and at least two values, spread evenly.
        name: of the y axis.
        across: of the x axis, which runs from 0 to 1.
    """
    values = [value for _, each in lines for value in each]
    low = min(0.0, *values)
    marks = ticks(low, max(values) if max(values) > low else low + 1)
    head = 22 * len(lines) if len(lines) > 1 else 0  # one line needs no key
    plane = Plane((0, 1), (marks[0], marks[-1]), left=64, top=12 + head, width=382, height=212)
    parts = [
        plane.grid(QUARTERS, marks),
        *[
            plane.line(np.linspace(0, 1, len(each)), each, f"curve c{number}")
            for number, (_, each) in enumerate(lines)
        ],
        plane.scale(QUARTERS, across, _plain),
        plane.side_name(name),
    ]
    if head:
        samples = [_line_sample(f"c{number}") for number in range(len(lines))]
        parts.append(_key(plane, [label for label, _ in lines], samples, lowest=plane.top - 8))
    return drawing(460, 268 + head, f"{name}: {', '.join(label for label, _ in lines)}", *parts)


def scatter(places: NDArray[np.float64], marked: NDArray[np.bool_], name: str) -> Html:
    """Draw normal patches as rings and anomalous ones as crosses.

    Args:
        places: (n, 2) in 0..1.
        marked: (n,) bool, which are anomalous.
        name: what is drawn.
    """
    plane = Plane((-0.03, 1.03), (-0.03, 1.03), left=10, top=34, width=440, height=336)
    rings = [_ring(plane.place(x, y)) for x, y in places[~marked]]
    crosses = [_cross(plane.place(x, y)) for x, y in places[marked]]
    key = [
        _ring((20, 16)),
        text((32, 21), "normal", "start"),
        _cross((120, 16)),
        text((132, 21), "anomalous", "start"),
    ]
    parts = [element("g", *rings, class_="c0"), element("g", *crosses, class_="c1"), *key]
    return drawing(460, 380, f"{name}: {len(rings)} normal, {len(crosses)} anomalous", *parts)


def _ring(place: tuple[float, float]) -> Html:
    return element("circle", cx=round(place[0], 1), cy=round(place[1], 1), r=3, class_="ring c0")


def _cross(place: tuple[float, float]) -> Html:
    x, y = (round(each, 1) for each in place)
    return element("path", d=f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6", class_="cross c1")


def legend(map_range: MapRange) -> Html:
    """Draw the colours of the heat maps with the raw values they stand for.

    Args:
        map_range: the typical pixel and the peak of held-out good images.
    """
    low, high = map_range
    plane = Plane((low, top_of_scale(map_range)), (0, 1), left=90, top=6, width=620, height=20)
    values = np.linspace(*plane.x, SHADES, dtype=np.float32)
    marks = {
        low: "typical good pixel",
        high: "9 in 10 good images stay below",
        plane.x[1]: "as far again above, or more",
    }
    words = [_mark(plane, value, name) for value, name in marks.items()]
    label = "Colours of the heat maps, from dark to light: " + ", ".join(marks.values())
    return drawing(800, 70, label, _shades(plane, colour(values[None], map_range)[0].tolist()), *words)


def _shades(plane: Plane, colours: Sequence[Sequence[int]]) -> Html:
    """Draw boxes of colour side by side."""
    step = plane.width / len(colours)
    boxes = [
        element(
            "rect",
            x=plane.left + step * number,
            y=plane.top,
            width=step,
            height=plane.height,
            fill=f"#{red:02x}{green:02x}{blue:02x}",
        )
        for number, (red, green, blue) in enumerate(colours)
    ]
    return element("g", *boxes, class_="shades")


def _mark(plane: Plane, value: float, name: str) -> Html:
    """Write a raw value and what it stands for below its colour."""
    x = float(plane.across(value))
    line = segment((x, plane.bottom), (x, plane.bottom + 6), "axis")
    return join([line, text((x, 47), f"{value:.4g}", strong=True), text((x, 63), name)])


def _square(x: tuple[float, float]) -> Plane:
    return Plane(x, (0, 1), left=54, top=12, width=392, height=312)


def _until(curve: Curve, limit: float) -> tuple[list[float], list[float]]:
    """Cut a curve at a false-positive rate."""
    inside = curve.x <= limit
    end = float(np.interp(limit, curve.x, curve.y))
    return [*curve.x[inside], limit], [*curve.y[inside], end]


def _limit(plane: Plane, limit: float) -> Html:
    x, y = plane.place(limit, 0.02)
    return join([plane.upright(limit, "limit"), text((x + 5, y), f"limit {limit:g}", "start")])


def _line_sample(class_: str) -> Html:
    return segment((-28, -4), (0, -4), f"curve {class_}")


def _key(plane: Plane, names: Sequence[str], samples: Sequence[Html], *, lowest: float | None = None) -> Html:
    """Name what is drawn, at the right: in the lower corner, where a good ROC curve never comes, or elsewhere."""
    lines = []
    last = float(plane.up(0.1)) if lowest is None else lowest
    for number, (name, sample) in enumerate(zip(names, samples, strict=True), start=1):
        y = last - 22 * (len(names) - number)
        parts = (sample, text((-36, 0), name, "end", strong=True))
        lines.append(element("g", *parts, transform=f"translate({plane.right - 12:g} {y:g})"))
    return join(lines)


def _plain(value: float) -> str:
    return f"{value:g}"


Point = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """Where data lie on a drawing.

    Attributes:
        x: range of the data from left to right.
        y: range of the data from bottom to top.
        left: its left edge, in pixels of the drawing; so are the others.
        top: its upper edge.
        width: from left to right.
        height: from top to bottom.
    """

    x: Point
    y: Point
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge, in pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge, in pixels."""
        return self.top + self.height

    def across(self, values: ArrayLike) -> NDArray[np.float64]:
        """Place values of x, in pixels from the left of the drawing."""
        share = (np.asarray(values, dtype=np.float64) - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + share * self.width

    def up(self, values: ArrayLike) -> NDArray[np.float64]:
        """Place values of y, in pixels from the top of the drawing."""
        share = (np.asarray(values, dtype=np.float64) - self.y[0]) / (self.y[1] - self.y[0])
        return self.bottom - share * self.height

    def place(self, x: float, y: float) -> Point:
        """Place one point, in pixels."""
        return float(self.across(x)), float(self.up(y))

    def line(self, xs: ArrayLike, ys: ArrayLike, class_: str) -> Html:
        """Draw a line through points."""
        return element("polyline", points=_points(self.across(xs), self.up(ys)), class_=class_)

    def area(self, xs: ArrayLike, ys: ArrayLike, class_: str) -> Html:
        """Fill the area inside points."""
        return element("polygon", points=_points(self.across(xs), self.up(ys)), class_=class_)

    def upright(self, x: float, class_: str) -> Html:
        """Draw a line from bottom to top at one x."""
        return self.line((x, x), self.y, class_)

    def dot(self, x: float, y: float) -> Html:
        """Mark one point."""
        return dot(self.place(x, y))

    def scale(self, values: Iterable[float], name: str, write: Callable[[float], str]) -> Html:
        """Draw numbers with their marks below the plane, those in its range, and the name of its x axis."""
        parts = [text((self.left + self.width / 2, self.bottom + 40), name)]
        for value in values:
            if self.x[0] <= value <= self.x[1]:
                x = float(self.across(value))
                parts.append(segment((x, self.bottom), (x, self.bottom + 5), "axis"))
                parts.append(text((x, self.bottom + 20), write(value)))
        return join(parts)

    def grid(self, xs: Iterable[float], ys: Iterable[float]) -> Html:
        """Draw a grid, with the numbers of the y axis."""
        upright = [self.upright(x, "grid") for x in xs]
        level = [self.line(self.x, (y, y), "grid") for y in ys]
        numbers = [text((self.left - 8, float(self.up(y)) + 4), f"{y:g}", "end") for y in ys]
        return join([*upright, *level, *numbers])

    def side_name(self, name: str) -> Html:
        """Write the name of the y axis along it."""
        middle = self.top + self.height / 2
        return text((14, middle), name, transform=f"rotate(-90 14 {middle:g})")


def segment(start: Point, end: Point, class_: str) -> Html:
    """Draw a straight line between two points in pixels."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def dot(place: Point) -> Html:
    """Draw a dot at a point in pixels."""
    return element("circle", cx=place[0], cy=place[1], r=5, class_="point")


def text(
    place: Point, words: str, anchor: str = "middle", *, strong: bool = False, transform: str | None = None
) -> Html:
    """Write words at a point in pixels, which is their ``start``, ``middle`` or ``end``."""
    x, y = place
    class_ = "strong" if strong else None
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=class_, transform=transform)


def drawing(width: float, height: float, label: str, *parts: Html) -> Html:
    """Put parts into a drawing that grows with its column.

    Args:
        width: in pixels of the drawing.
        height: likewise.
        label: what it shows, for readers who do not see it.
        *parts: what it holds.
    """
    return element("svg", *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


def ticks(low: float, high: float) -> list[float]:
    """Choose about five round numbers that cover a range, the last not below ``high``.

    >>> ticks(0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * min((1, 2, 5, 10), key=lambda factor: abs(math.log(factor * unit / rough)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def _points(xs: Iterable[float], ys: Iterable[float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
