"""Charts as inline SVG: they take the colours of the page, light or dark, and their text stays text.

Every line differs from the others in more than colour: in dash, in place or in its label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.report.drawing import Plane, dot, drawing, segment, text, ticks
from twinspect.report.formatting import percent
from twinspect.report.heatmaps import colour, top_of_scale
from twinspect.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
