"""Charts of how the model was trained, as far as numbers of the training were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.report import charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup


@dataclass(frozen=True)
class TrainingHistory:
    """Losses and curves that were kept of a training.

    Attributes:
        losses: by stage, at even steps.
        curves: measured on held-out training images, by ``stage: name``.
    """

    losses: Mapping[str, Sequence[float]]
    curves: Mapping[str, Sequence[float]]


def training_charts(history: TrainingHistory) -> dict[str, Markup]:
    """Draw the loss of every stage, and what was measured on held-out images, one chart a unit.

    Returns:
        Charts by what they show.
    """
    groups = {f"loss of stage {stage}": [(stage, values)] for stage, values in history.losses.items()}
    groups |= _by_unit(history.curves)
    return {
        name: charts.series(lines, name, "share of the steps")
        for name, lines in groups.items()
        if len(lines[0][1]) > 1
    }


def _by_unit(curves: Mapping[str, Sequence[float]]) -> dict[str, list[tuple[str, Sequence[float]]]]:
    """Put curves of one unit into one chart: those whose names begin with the same word."""
    units: dict[str, list[tuple[str, Sequence[float]]]] = {}
    for name, values in curves.items():
        stage, _, measure = name.partition(": ")
        unit, _, rest = measure.partition(" ")
        units.setdefault(f"{unit} in stage {stage}, held out", []).append((rest or unit, values))
    return units
