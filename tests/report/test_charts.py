"""The charts: bars, scales and curves are where the numbers say."""

from __future__ import annotations

import base64
import io
import re
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from twinspect.drawing.heatmaps import colourise
from twinspect.metrics import pro_curve, roc_curve
from twinspect.report import charts
from twinspect.report.charts import ticks
from twinspect.report.score_histogram import bar_counts, bar_edges, histogram
from twinspect.report.svg import BLUE, TITLE, in_page_style, inline_svg, new_axes


def path(chart: str, style: str) -> np.ndarray:
    """The points of the first path in a style."""
    found = re.search(rf'<path d="([^"]*)" style="[^"]*{re.escape(style)}', chart)
    assert found
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", found[1]), dtype=float)


def test_data_lie_inside_the_margins() -> None:
    axes = new_axes((420, 140), left=10, top=20, right=10, bottom=20)
    axes.set(xlim=(-1, 3), ylim=(0, 2))
    axes.plot((-1, 3, 1), (0, 2, 1), color=BLUE)
    assert path(inline_svg(axes, "three points"), "var(--blue)").tolist() == [[10, 120], [410, 20], [210, 70]]


@in_page_style
def test_a_chart_takes_the_colours_of_the_page_and_needs_nothing_else_of_it() -> None:
    axes = new_axes((420, 140), left=10, top=20, right=10, bottom=20)
    axes.plot((0, 1), (0, 1), color=BLUE, gid=f"{TITLE}a & b", label="$a$ <b> 中 #0b62b0", marker="o")
    axes.legend()
    chart = inline_svg(axes, '<&">')
    assert 'aria-label="&lt;&amp;&quot;&gt;"' in chart
    assert ">$a$ &lt;b&gt; 中 #0b62b0</text>" in chart
    assert "<g><title>a &amp; b</title>" in chart
    assert not re.search(r'(id|class|href)="|url\(|http|="[^"]*#', chart)


def test_the_style_of_whoever_calls_is_neither_used_nor_changed() -> None:
    usual = charts.false_alarm_rate(0.1, 0.2, (0.1, 0.3))
    with mpl.rc_context({"font.size": 40, "axes.edgecolor": "red"}):
        assert charts.false_alarm_rate(0.1, 0.2, (0.1, 0.3)) == usual
        assert mpl.rcParams["font.size"] == 40


def test_error_rates_lie_above_their_amounts() -> None:
    chart = charts.error_rates((0, 2, 8), (("false alarms", (0, 0.5, 1)), ("misses", (1, 1, 0.25))), "px")
    across, down = path(chart, "stroke: var(--blue)").T
    assert across.tolist() == [62, 155.5, 436]
    assert down.tolist() == [256, 156, 56]
    assert "error rates against px: false alarms, misses" in chart


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.6, 1.217), (-3.2e-9, 7e-9), (1e6, 1.00002e6), (-9, -2)])
def test_ticks_are_few_round_and_cover_the_range(low: float, high: float) -> None:
    found = ticks(low, high)
    steps = np.diff(found)
    assert found[0] <= low + 1e-9 * (high - low)
    assert found[-1] >= high - 1e-9 * (high - low)
    assert 4 <= len(found) <= 10
    assert steps == pytest.approx(steps[0])
    assert f"{steps[0]:.6e}"[0] in "125"


@pytest.mark.parametrize("threshold", [-2.0, 0.0, 0.3, 1.7, 9.0])
def test_no_bar_holds_images_of_both_decisions(threshold: float) -> None:
    scores = np.append(np.random.default_rng(0).normal(0.5, 1, 500), threshold)
    edges, _ = bar_edges(scores, threshold)
    counts = bar_counts(scores, edges)
    above = edges[:-1] >= threshold
    assert sum(counts) == 501
    assert sum(np.array(counts)[above]) == (scores > threshold).sum()


def test_bars_agree_with_a_plain_count() -> None:
    scores = np.random.default_rng(1).normal(0, 1, 300)
    edges, gathered = bar_edges(scores, 1.0)
    plain = [((scores > low) & (scores <= high)).sum() for low, high in pairwise(edges)]
    plain[0] += (scores == edges[0]).sum()
    assert not gathered
    assert bar_counts(scores, edges) == plain


def test_scores_far_above_the_threshold_are_gathered_and_none_is_lost() -> None:
    scores = np.array([0.0, 0.5, 1.0, 2.0, 500.0, 1e6])
    edges, gathered = bar_edges(scores, 1.0)
    assert gathered
    assert edges[-1] <= 5.2
    assert bar_counts(scores, edges)[-1] == 2
    assert "the last bar holds all above it" in histogram([("all", scores.tolist())], 1.0)


@pytest.mark.parametrize("scores", [[2.0], [2.0, 2.0], [0.0, 0.0], [1e-30, 2e-30], [-5.0, -5.0]])
def test_scores_that_hardly_differ_still_make_a_chart(scores: list[float]) -> None:
    chart = histogram([("held-out good", scores), ("good", []), ("anomalous", scores)], max(scores))
    assert chart.count("held-out good") == 1
    assert ">good<" not in chart
    assert "nan" not in chart
    assert f"0 of {len(scores)} above" in chart


def test_the_roc_line_has_the_points_of_the_curve_and_the_dot_its_place() -> None:
    labels, scores = [0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8]
    chart = charts.roc([("images", roc_curve(labels, scores))], (0.5, 1.0))
    points = path(chart, "stroke: var(--blue)")
    expected = roc_curve(labels, scores)
    assert points[:, 0] == pytest.approx(62 + 384 * expected.x, abs=0.06)
    assert points[:, 1] == pytest.approx(324 - 312 * expected.y, abs=0.06)
    assert 'transform="translate(254 12)" style="fill: var(--ink)' in chart


def test_the_pro_area_ends_at_its_limit_by_interpolation() -> None:
    mask = np.array([[0, 0, 0, 1, 1]])
    curve = pro_curve([mask], [np.array([[0.5, 0.1, 0.2, 0.9, 0.4]], np.float32)])
    chart = charts.pro(curve, "AUPRO")
    points = path(chart, "fill: var(--wash)").tolist()
    height = np.interp(0.3, curve.x, curve.y)
    assert points[-2] == pytest.approx([62 + 384 * 0.75, 324 - 312 * height], abs=0.06)
    assert [points[-1], points[0]] == [[350.0, 324.0], [62.0, 324.0]]


@pytest.mark.parametrize(
    ("promised", "observed", "interval"), [(0.05, 0.0, (0.0, 0.23)), (0.5, 1.0, (0.7, 1.0))]
)
def test_rates_show_promise_and_observation(
    promised: float, observed: float, interval: tuple[float, float]
) -> None:
    chart = charts.false_alarm_rate(promised, observed, interval).replace("\N{NO-BREAK SPACE}", " ")
    assert f"promised: at most {100 * promised:g} %" in chart
    assert f"observed {100 * observed:g} %" in chart
    places = [float(x) for x in re.findall(r'(?:[ML"] |translate\(|x=")(-?[\d.]+)', chart)]
    assert places
    assert 0 <= min(places) <= max(places) <= 440


@pytest.mark.parametrize("map_range", [(0.2, 1.2), (3.0, 3.0), (0.0, 0.0)])
def test_the_legend_begins_and_ends_in_the_colours_of_the_scale(map_range: tuple[float, float]) -> None:
    picture = re.search(r'href="data:image/png;base64,([^"]*)"', charts.colour_scale(map_range))
    assert picture
    with Image.open(io.BytesIO(base64.b64decode(picture[1]))) as image:
        shown = np.asarray(image.convert("RGB"))
    ends = colourise(np.array([[-9.0, 99.0]], np.float32), map_range)[0]
    assert shown[0, [0, -1]].tolist() == ends.tolist()


def test_a_series_runs_from_edge_to_edge_and_as_high_as_its_values() -> None:
    chart = str(charts.series([("one", [4.0, 2.0, 0.0]), ("two", [1.0, 1.0])], "loss", "steps"))
    assert path(chart, "stroke: var(--blue)").tolist() == [[64, 56], [255, 162], [446, 268]]
    assert path(chart, "stroke: var(--orange)")[:, 0].tolist() == [64, 446]
    assert ">one<" in chart
    assert ">two<" in chart
