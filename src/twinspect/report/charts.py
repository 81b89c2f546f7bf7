"""The charts of a report, drawn by matplotlib.

Every line differs from the others in more than colour: in dash, in place or in its label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from twinspect.drawing.heatmaps import colourise, top_of_scale
from twinspect.report.formatting import percent
from twinspect.report.svg import (
    BLUE,
    DOT,
    INK,
    LINES,
    ORANGE,
    SOFT,
    THRESHOLD,
    WASH,
    WHISKER,
    in_page_style,
    inline_svg,
    new_axes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from twinspect.drawing.heatmaps import MapRange
    from twinspect.metrics import Curve
    from twinspect.metrics.region_detection import Recall


QUARTERS: Final = (0, 0.25, 0.5, 0.75, 1)
PRO_LIMITS: Final = (0.05, 0.3)
"""False-positive rates up to which the area under the PRO curve is reported."""
PRO_SHOWN: Final = 0.4
"""Where the drawn PRO curve ends: what comes after counts for nothing."""
SHADES: Final = 256
"""Pixels of colour in the legend."""


@in_page_style
def roc(curves: Sequence[tuple[str, Curve]], threshold: tuple[float, float]) -> Markup:
    """Draw ROC curves.

    Args:
        curves: one or two, each with its label; those without points are left out.
        threshold: false-alarm rate and share of anomalous images found at the model's own threshold.
    """
    axes = _square(1, QUARTERS, "false-positive rate", "true-positive rate")
    axes.plot((0, 1), (0, 1), color=SOFT, dashes=(2, 5), linewidth=1)
    for (label, curve), style in zip(curves, LINES, strict=False):
        if curve.x.size:
            axes.plot(curve.x, curve.y, label=label, **style)
    axes.plot(*threshold, label="images at the threshold", **DOT)
    axes.legend(loc="lower right")  # where a good ROC curve never comes
    return inline_svg(axes, f"ROC curves: {', '.join(axes.get_legend_handles_labels()[1])}")


@in_page_style
def pro(curve: Curve, label: str) -> Markup:
    """Draw a PRO curve until shortly after it stops counting, with the limits of integration.

    Args:
        curve: false-positive rate against per-region overlap, from 0 to 1.
        label: its name, with the area.
    """
    axes = _square(
        PRO_SHOWN, np.linspace(0, PRO_SHOWN, 5), "false-positive rate of pixels", "per-region overlap"
    )
    x, y = _cut(curve, PRO_LIMITS[-1])
    axes.fill([*x, x[-1], 0], [*y, 0, 0], color=WASH, linewidth=0)
    axes.plot(*_cut(curve, PRO_SHOWN), label=label, **LINES[1])
    for limit in PRO_LIMITS:
        axes.axvline(limit, color=SOFT, dashes=(4, 4), linewidth=1)
        axes.text(limit + 0.005, 0.02, f"limit {limit:g}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.06))
    return inline_svg(axes, f"PRO curve with its limits of integration, {PRO_LIMITS}: {label}")


@in_page_style
def false_alarm_rate(promised: float, observed: float, interval: tuple[float, float]) -> Markup:
    """Draw an observed rate with its interval beside the promised one.

    Args:
        promised: the false-alarm rate promised, in (0, 1).
        observed: the rate found.
        interval: both ends of its 95 % interval.
    """
    low, high = interval
    marks = ticks(0, min(1, 1.15 * max(promised, high)))
    axes = new_axes((440, 116), left=28, top=26, right=28, bottom=46)
    axes.set(xlim=(0, marks[-1]), ylim=(0, 1), xticks=marks, yticks=())
    axes.set_xlabel("false-alarm rate, observed with its 95 % interval")
    axes.xaxis.set_major_formatter(lambda rate, _: percent(rate))
    axes.axvspan(0, promised, color=WASH, linewidth=0)
    axes.axvline(promised, **THRESHOLD)
    axes.errorbar(observed, 0.5, xerr=[[observed - low], [high - observed]], **DOT, **WHISKER)
    words = f"promised: at most {percent(promised)}"
    side = {0: "left", 1: "center", 2: "right"}[min(2, int(3 * promised / marks[-1]))]
    axes.text(promised, 1.18, words, color=INK, horizontalalignment=side)
    return inline_svg(
        axes, f"{words}; observed {percent(observed)}, interval {percent(low)} to {percent(high)}"
    )


@in_page_style
def series(lines: Sequence[tuple[str, Sequence[float]]], name: str, across: str) -> Markup:
    """Draw values measured one after another.

    Args:
        lines: one or two, each with its label and at least two values, measured at even steps.
        name: of the y axis.
        across: of the x axis, which runs from 0 to 1.
    """
    low = min(0.0, *(min(values) for _, values in lines))
    high = max(max(values) for _, values in lines)
    marks = ticks(low, high if high > low else low + 1)
    head = 22 * len(lines) if len(lines) > 1 else 0  # one line needs no key
    axes = new_axes((460, 268 + head), left=64, top=12 + head, right=14, bottom=44)
    axes.set(
        xlim=(0, 1), ylim=(marks[0], marks[-1]), xticks=QUARTERS, yticks=marks, xlabel=across, ylabel=name
    )
    axes.xaxis.set_major_formatter("{x:g}")
    for (label, values), style in zip(lines, LINES, strict=False):
        axes.plot(np.linspace(0, 1, len(values)), values, label=label, **style)
    if head:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
    return inline_svg(axes, f"{name}: {', '.join(label for label, _ in lines)}")


@in_page_style
def error_rates(
    amounts: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]], across: str
) -> Markup:
    """Draw rates of errors against how much was changed.

    Args:
        amounts: at least two, in ascending order.
        lines: one or two, each with its label and a rate in [0, 1] for each amount.
        across: the name of the x axis.
    """
    axes = new_axes((460, 312), left=62, top=56, right=24, bottom=56)
    axes.set(xlim=(amounts[0], amounts[-1]), ylim=(0, 1), xticks=amounts, yticks=QUARTERS, xlabel=across)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter(lambda rate, _: percent(rate))
    for (label, rates), style in zip(lines, LINES, strict=False):
        axes.plot(amounts, rates, label=label, marker="o", clip_on=False, **style)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return inline_svg(axes, f"error rates against {across}: {', '.join(label for label, _ in lines)}")


@in_page_style
def recall_by_size(ranges: Sequence[Recall]) -> Markup:
    """Draw how many defects are found, by their size.

    Args:
        ranges: of areas in pixels, each with twice the sides of the one before, at least one; those without defects
            stay empty.
    """
    axes = new_axes((460, 300), left=74, top=30, right=14, bottom=56)
    bounds = [*(recall.at_least for recall in ranges), ranges[-1].below]
    axes.set(xlim=(0, len(ranges)), ylim=(0, 1), xticks=range(len(bounds)), yticks=QUARTERS)
    axes.set_xlabel("side of a square of the same area, in pixels")
    axes.set_ylabel("defects found")
    axes.set_xticklabels([f"{bound**0.5:.0f}" for bound in bounds])
    axes.yaxis.set_major_formatter(lambda share, _: percent(share))
    for place, recall in enumerate(ranges):
        if recall.defects:
            share, (low, high) = recall.share, recall.interval
            spread = [[share - low], [high - share]]
            axes.errorbar(place + 0.5, share, yerr=spread, clip_on=False, zorder=3, **DOT, **WHISKER)
            axes.text(place + 0.5, 1.05, f"{recall.hit}/{recall.defects}", horizontalalignment="center")
    return inline_svg(axes, "recall against the size of defects, with its 95 % interval")


@in_page_style
def scatter(points: NDArray[np.float64], is_anomalous: NDArray[np.bool_], name: str) -> Markup:
    """Draw normal patches as open diamonds and anomalous ones as crosses.

    Args:
        points: (n, 2) in 0..1.
        is_anomalous: (n,) bool.
        name: what is drawn.
    """
    axes = new_axes((460, 380), left=10, top=34, right=10, bottom=10)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.axis("off")
    for label, chosen, marker, shade in (
        ("normal", ~is_anomalous, "D", BLUE),
        ("anomalous", is_anomalous, "x", ORANGE),
    ):
        x, y = points[chosen].T
        axes.plot(x, y, marker, color=shade, label=label, markersize=5, markeredgewidth=1.2, fillstyle="none")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return inline_svg(
        axes, f"{name}: {int((~is_anomalous).sum())} normal, {int(is_anomalous.sum())} anomalous"
    )


@in_page_style
def colour_scale(map_range: MapRange) -> Markup:
    """Draw the colours of the heat maps with the raw values they stand for.

    Args:
        map_range: the typical pixel and the peak of held-out good images.
    """
    low, high = map_range
    top = top_of_scale(map_range)
    axes = new_axes((800, 70), left=90, top=6, right=90, bottom=44)
    shades = colourise(np.linspace(low, top, SHADES, dtype=np.float32)[None], map_range)
    axes.imshow(shades, extent=(low, top, 0, 1), aspect="auto", interpolation="none")
    names = {
        low: "typical good pixel",
        high: "9 in 10 good images stay below",
        top: "as far again above, or more",
    }
    axes.grid(visible=False)
    axes.set(yticks=(), xticks=list(names))
    axes.set_xticklabels([f"{value:.4g}" for value in names], color=INK)
    for value, words in names.items():
        axes.annotate(words, (value, 0), (0, -36), textcoords="offset points", horizontalalignment="center")
    return inline_svg(axes, "Colours of the heat maps, from dark to light: " + ", ".join(names.values()))


def ticks(low: float, high: float) -> list[float]:
    """Choose a few round numbers that cover a range.

    >>> [round(tick, 1) for tick in ticks(0, 0.93)]
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    return [float(tick) for tick in MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high)]


def _square(right: float, marks: Any, xlabel: str, ylabel: str) -> Axes:
    """Begin a chart of rates, which go to 1 from bottom to top."""
    axes = new_axes((460, 380), left=62, top=12, right=14, bottom=56)
    axes.set(xlim=(0, right), ylim=(0, 1), xticks=marks, yticks=QUARTERS, xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    return axes


def _cut(curve: Curve, limit: float) -> tuple[list[float], list[float]]:
    """Cut a curve at a false-positive rate."""
    inside = curve.x <= limit
    end = float(np.interp(limit, curve.x, curve.y))
    return [*curve.x[inside], limit], [*curve.y[inside], end]
