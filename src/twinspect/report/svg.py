"""Matplotlib figures as inline SVG: they take the page's colours, light or dark, and their text stays text."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import matplotlib.style
from markupsafe import Markup
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK, SOFT, SHEET, GRID, BLUE, ORANGE = "#1b1f24", "#56606c", "#ffffff", "#e6e9ee", "#0b62b0", "#b5500b"
WASH: Final = "#e1ebf5"
"""Blue, thinned; the page lets what lies behind it shine through."""
VARIABLES: Final = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    SHEET: "var(--sheet)",
    GRID: "var(--grid)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    WASH: "var(--wash)",
}
"""What the page calls the colours that charts are drawn in."""
LINES: Final[tuple[dict[str, Any], ...]] = (
    {"color": BLUE, "linewidth": 2.5},
    {"color": ORANGE, "linewidth": 2.5, "dashes": (3, 1.5)},
)
"""Curves differ in their dashes too, not only in colour."""
THRESHOLD: Final[dict[str, Any]] = {"color": INK, "linewidth": 2, "dashes": (3, 2)}
DOT: Final[dict[str, Any]] = {
    "color": INK,
    "linestyle": "none",
    "marker": "o",
    "markersize": 10,
    "markeredgecolor": SHEET,
    "markeredgewidth": 1.5,
}
WHISKER: Final[dict[str, Any]] = {"elinewidth": 2.5, "capsize": 8, "capthick": 2.5}

METADATA: Final = ("Creator", "Date", "Format", "Type")
TITLE: Final = "title: "
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
HREF: Final = f"{XLINK}href"
KEPT: Final = {
    "path": ("d", "transform", "style"),
    "text": ("x", "y", "transform", "style"),
    "image": ("x", "y", "width", "height", "transform", "style", HREF),
}
"""The attributes of a shape that a page needs."""

in_page_style: Final = matplotlib.style.context(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": SOFT,
        "axes.grid": True,
        "axes.labelcolor": SOFT,
        "axes.labelpad": 8,
        "axes.spines.left": False,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.xmargin": 0,
        "axes.ymargin": 0,
        "font.size": 13,
        "grid.color": GRID,
        "grid.linewidth": 1,
        "legend.frameon": False,
        "legend.handlelength": 2.2,
        "legend.labelcolor": INK,
        "svg.fonttype": "none",
        "svg.hashsalt": "twinspect",
        "text.color": SOFT,
        "text.parse_math": False,  # a dollar sign in somebody's name is a dollar sign
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "ytick.major.size": 0,
        "ytick.major.pad": 8,
    },
    after_reset=True,
)
"""Draws a chart the same way whatever styles the user of the library has set; a decorator."""


def new_axes(size: tuple[float, float], left: float, top: float, right: float, bottom: float) -> Axes:
    """Begin a chart.

    Args:
        size: width and height, in pixels of the page.
        left: margin between the left edge of the chart and the plane where data lie, in pixels.
        top: margin above the plane.
        right: margin on its right.
        bottom: margin below it, for numbers and the name of the axis.

    Returns:
        The plane, in which the caller draws.
    """
    width, height = size
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)  # one point is one pixel
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    return figure.add_axes(box, facecolor="none")


def inline_svg(axes: Axes, label: str) -> Markup:
    """Write a chart as an ``<svg>`` element that needs no identifiers, so that a page can hold several.

    Args:
        axes: of the chart. What a reader sees who points at an artist is the rest of a gid that begins with
            :data:`TITLE`.
        label: what it shows, for readers who do not see it.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():  # the reader's fonts draw the text, not those that matplotlib finds here
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        axes.figure.canvas.print_figure(buffer, format="svg", metadata=dict.fromkeys(METADATA))
    drawn = ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib wrote it just now
    markers = {f"#{node.get('id')}": node.get("d", "") for node in drawn.iter(f"{SVG}path")}
    svg = ET.Element("svg", {"viewBox": drawn.get("viewBox", ""), "role": "img", "aria-label": label})
    svg.extend(_shapes(drawn, markers))
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 - the line above escapes


def _shapes(node: ET.Element, markers: dict[str, str]) -> Iterator[ET.Element]:
    """Give the shapes and texts of a drawing in their order, out of their groups; markers become paths."""
    for child in node:
        tag, name = child.tag.removeprefix(SVG), child.get("id", "")
        if tag == "g" and name.startswith(TITLE):
            group = ET.Element("g")
            ET.SubElement(group, "title").text = name.removeprefix(TITLE)
            group.extend(_shapes(child, markers))
            yield group
        elif tag == "g":
            yield from _shapes(child, markers)
        elif tag == "use":
            place = f"translate({child.get('x')} {child.get('y')})"
            yield _shape("path", {"d": markers[child.get(HREF, "")], "transform": place, **child.attrib})
        elif tag in {"image", "text"} or child.get("d"):
            shape = _shape(tag, child.attrib)
            shape.text = child.text if tag == "text" else None
            yield shape


def _shape(tag: str, attributes: dict[str, str]) -> ET.Element:
    """Copy an element with the attributes that count, numbers rounded and colours left to the page."""
    kept = {key.removeprefix(XLINK): _attribute(attributes.get(key, "")) for key in KEPT[tag]}
    return ET.Element(tag, {key: value for key, value in kept.items() if value})


def _attribute(value: str) -> str:
    value = re.sub(r"font[a-z-]*: [^;]*;? ?|rotate\(-0 [^)]*\)", "", value)  # the page has the font
    value = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), value)
    value = re.sub("#[0-9a-f]{6}", lambda colour: VARIABLES.get(colour[0], colour[0]), value)
    return " ".join(value.split())
