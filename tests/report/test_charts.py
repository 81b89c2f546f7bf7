"""The charts: bars, scales and curves are where the numbers say."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from twinspect.metrics import pro_curve, roc_curve
from twinspect.report import charts
from twinspect.report.charts import Plane, ticks
from twinspect.report.heatmaps import colour
from twinspect.report.markup import Html, element, join, table
from twinspect.report.score_histogram import bar_counts, bar_edges, histogram


def test_a_plane_places_its_corners() -> None:
    plane = Plane((-1, 3), (0, 2), left=10, top=20, width=400, height=100)
    assert plane.place(-1, 0) == (10, 120)
    assert plane.place(3, 2) == (410, 20)
    assert plane.place(1, 1) == (210, 70)


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
    line = re.search(r'points="([^"]*)" class="curve c0"', chart)
    assert line
    points = np.array([[float(v) for v in point.split(",")] for point in line[1].split()])
    expected = roc_curve(labels, scores)
    assert points[:, 0] == pytest.approx(54 + 392 * expected.x, abs=0.06)
    assert points[:, 1] == pytest.approx(324 - 312 * expected.y, abs=0.06)
    assert '<circle cx="250" cy="12" r="5" class="point">' in chart


def test_the_pro_area_ends_at_its_limit_by_interpolation() -> None:
    mask = np.array([[0, 0, 0, 1, 1]])
    curve = pro_curve([mask], [np.array([[0.5, 0.1, 0.2, 0.9, 0.4]], np.float32)])
    chart = charts.pro(curve, "AUPRO")
    area = re.search(r'<polygon points="([^"]*)" class="wash"', chart)
    assert area
    points = [tuple(map(float, point.split(","))) for point in area[1].split()]
    height = np.interp(0.3, curve.x, curve.y)
    assert points[-3] == pytest.approx((54 + 392 * 0.75, 324 - 312 * height), abs=0.06)
    assert points[-2:] == [(348.0, 324.0), (54.0, 324.0)]


@pytest.mark.parametrize(
    ("promised", "observed", "interval"), [(0.05, 0.0, (0.0, 0.23)), (0.5, 1.0, (0.7, 1.0))]
)
def test_rates_show_promise_and_observation(
    promised: float, observed: float, interval: tuple[float, float]
) -> None:
    chart = charts.rates(promised, observed, interval).replace("\N{NO-BREAK SPACE}", " ")
    assert f"promised: at most {100 * promised:g} %" in chart
    assert f"observed {100 * observed:g} %" in chart
    places = [float(x) for x in re.findall(r'(?:x|x1|cx)="([\d.]+)"', chart)]
    assert 0 <= min(places) <= max(places) <= 440


@pytest.mark.parametrize("map_range", [(0.2, 1.2), (3.0, 3.0), (0.0, 0.0)])
def test_the_legend_begins_and_ends_in_the_colours_of_the_scale(map_range: tuple[float, float]) -> None:
    fills = re.findall(r'fill="#(\w+)"', charts.legend(map_range))
    ends = colour(np.array([[-9.0, 99.0]], np.float32), map_range)[0]
    assert [fills[0], fills[-1]] == ["".join(f"{part:02x}" for part in end) for end in ends]


def test_plain_text_is_escaped_everywhere_and_markup_is_not() -> None:
    assert element("p", "<b>&", title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;&amp;</p>'
    assert element("p", Html("<b></b>")) == "<p><b></b></p>"
    assert join(["<", Html("<br>")]) == "&lt;<br>"
    assert (
        element("rect", x=1.239, y=2.0, width=-0.001, hidden=None) == '<rect x="1.24" y="2" width="0"></rect>'
    )
    grid = table(("<a>", "b"), [("<c>", "<d>")], "<e>")
    assert not re.search(r"<[abcde]>", grid)
    assert '<th scope="row">&lt;c&gt;</th><td>&lt;d&gt;</td>' in grid


def test_a_series_runs_from_edge_to_edge_and_as_high_as_its_values() -> None:
    chart = str(charts.series([("one", [4.0, 2.0, 0.0]), ("two", [1.0, 1.0])], "loss", "steps"))
    first, second = re.findall(r'<polyline points="([^"]*)" class="curve', chart)
    assert first == "64.0,56.0 255.0,162.0 446.0,268.0"
    assert [point.split(",")[0] for point in second.split()] == ["64.0", "446.0"]
    assert ">one<" in chart
    assert ">two<" in chart
