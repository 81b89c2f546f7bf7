"""What a chart is made of: a plane with its scales, lines, words, and the drawing that holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twinspect.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, NDArray

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
