"""How the model was trained, as far as numbers of the training were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.report import charts
from twinspect.report.markup import NOTHING, Html, element, section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORDS: Final = (
    "What was measured on held-out training images with drawn anomalies, at even steps of each stage. No test image "
    "was looked at."
)


@dataclass(frozen=True)
class Learning:
    """What a training left besides weights.

    Attributes:
        losses: by stage, at even steps.
        curves: measured on held-out training images, by ``stage: name``.
    """

    losses: Mapping[str, Sequence[float]]
    curves: Mapping[str, Sequence[float]]


def learning(found: Learning) -> Html:
    """Draw the loss of every stage, and what was measured on held-out images, one chart a unit."""
    charts = [
        _chart([(stage, values)], f"loss of stage {stage}", "share of the steps")
        for stage, values in found.losses.items()
        if len(values) > 1
    ]
    charts += [
        _chart(lines, name, "share of the steps")
        for name, lines in _by_unit(found.curves).items()
        if len(lines[0][1]) > 1
    ]
    if not charts:
        return NOTHING
    note = element("p", WORDS, class_="note") if found.curves else NOTHING
    return section("Training", element("div", *charts, class_="pair"), note)


def _by_unit(curves: Mapping[str, Sequence[float]]) -> dict[str, list[tuple[str, Sequence[float]]]]:
    """Put curves of one unit into one chart: those whose names begin with the same word."""
    units: dict[str, list[tuple[str, Sequence[float]]]] = {}
    for name, values in curves.items():
        stage, _, what = name.partition(": ")
        unit, _, rest = what.partition(" ")
        units.setdefault(f"{unit} in stage {stage}, held out", []).append((rest or unit, values))
    return units


def _chart(lines: Sequence[tuple[str, Sequence[float]]], name: str, across: str) -> Html:
    return element("figure", charts.series(lines, name, across), element("figcaption", f"{name}."))
