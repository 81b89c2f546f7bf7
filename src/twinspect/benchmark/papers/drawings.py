"""The charts of the papers' figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.report.charts import ticks
from twinspect.report.svg import BLUE, INK, LINES, ORANGE, in_page_style, inline_svg, new_axes
from twinspect.report.tsne_section import on_a_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from twinspect.evaluation.patch_features import Patches

    Line = tuple[str, Sequence[float], Sequence[float]]

PANEL: Final = 260
"""Side of one panel of patches, in pixels."""
HEAD: Final = 46
"""Room above a panel for its title, in pixels."""
GAP: Final = 14
"""Room between panels, in pixels."""


@in_page_style
def lines(curves: Sequence[Line], across: str, up: str) -> Markup:
    """Draw one or two lines through points.

    Args:
        curves: each its label, where its points lie from left to right, and how high; at least one point.
        across: name of the x axis.
        up: name of the y axis.
    """
    across_values = [x for _, xs, _ in curves for x in xs]
    heights = [y for _, _, ys in curves for y in ys]
    low, high = min(heights), max(heights)
    marks = ticks(low, high if high > low else low + 1)
    left, right = min(across_values), max(across_values)
    axes = new_axes((520, 346), left=72, top=60, right=20, bottom=52)
    axes.set(xlim=(left, right if right > left else left + 1), ylim=(marks[0], marks[-1]), yticks=marks)
    axes.set(xlabel=across, ylabel=up)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    for (label, xs, ys), style in zip(curves, LINES, strict=False):
        axes.plot(xs, ys, label=label, marker="o", markersize=6, clip_on=False, **style)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return inline_svg(axes, f"{up} along {across}: {', '.join(label for label, _, _ in curves)}")


@in_page_style
def patch_panels(levels: Sequence[Patches], name: str) -> Markup:
    """Draw patches by their features (t-SNE): a row a level, the vanilla teacher beside the advanced one.

    Args:
        levels: fine to coarse.
        name: of what is shown.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    step_x, step_y = PANEL + GAP, PANEL + HEAD
    width, height = 2 * step_x + GAP, len(levels) * step_y + GAP
    whole = new_axes((width, height), left=0, top=0, right=0, bottom=0)
    whole.axis("off")
    for row, patches in enumerate(levels):
        advanced = patches.vanilla if patches.amplified is None else patches.amplified
        for column, (title, features) in enumerate((("vanilla", patches.vanilla), ("advanced", advanced))):
            left, bottom = GAP + column * step_x, height - (row + 1) * step_y
            box = (left / width, bottom / height, PANEL / width, PANEL / height)
            axes = whole.figure.add_axes(box, facecolor="none")
            _panel(axes, on_a_plane(features), patches.is_anomalous, f"{patches.level}, {title}")
    whole.figure.axes[1].legend(loc="lower left", bbox_to_anchor=(0, 1.06), ncols=2, borderaxespad=0)
    return inline_svg(
        whole, f"{name}: patches by their features, vanilla and advanced teacher, {len(levels)} levels"
    )


def _panel(axes: Axes, points: NDArray[Any], is_anomalous: NDArray[Any], title: str) -> None:
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(), yticks=())
    axes.set_title(title, color=INK, fontsize=13, loc="right", pad=4)
    for label, chosen, marker, shade in (
        ("normal", ~is_anomalous, "D", BLUE),
        ("abnormal", is_anomalous, "x", ORANGE),
    ):
        axes.plot(*points[chosen].T, marker, color=shade, label=label, markersize=4, fillstyle="none")
