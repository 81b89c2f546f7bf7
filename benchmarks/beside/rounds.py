"""Rounds in which everything that is compared takes its turn; a finished round is kept and not run again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Figures = dict[str, float]
Round = dict[str, Figures]
"""What was measured of each contestant, from one and the same stretch of time."""


def rounds(count: int, out: Path, name: str, turns: Mapping[str, Callable[[], Figures]]) -> list[Round]:
    """Let all take their turns, so that a slow moment of the machine meets all of them.

    Args:
        count: how many rounds.
        out: folder that keeps them.
        name: what is measured and with which settings: the beginning of the files' names.
        turns: a measurement for each contestant; every other round runs them backwards.
    """
    return [_round(number, out / f"{name}-{number}.json", turns) for number in range(count)]


def _round(number: int, kept: Path, turns: Mapping[str, Callable[[], Figures]]) -> Round:
    if kept.is_file():
        found: Round = json.loads(kept.read_text())
        return found
    order = list(turns) if number % 2 == 0 else list(turns)[::-1]
    measured = {name: turns[name]() for name in order}
    kept.write_text(json.dumps(measured, indent=1))
    return measured
