"""The rows of the table of ratios, the raw figures behind them, and notes; printed as Markdown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beside.rounds import Round

HEADING = ("what", "unit", "twinspect", "anomalib", "twinspect / anomalib", "lowest to highest")


@dataclass(frozen=True)
class Row:
    """One figure of both sides, round by round."""

    what: str
    unit: str
    ours: list[float]
    peer: list[float]

    @classmethod
    def of(cls, what: str, unit: str, rounds: list[Round], names: tuple[str, str], figure: str) -> Row:
        """Pick one figure of two contestants: ours, the peer's."""
        ours, peer = ([each[name][figure] for each in rounds] for name in names)
        return cls(what, unit, ours, peer)

    @property
    def ratios(self) -> list[float]:
        """Divide ours by the peer's within each round."""
        return [
            ours / peer if peer else float("nan") for ours, peer in zip(self.ours, self.peer, strict=True)
        ]

    def cells(self) -> list[str]:
        """Print medians, and the span of the ratios."""
        ours, peer, ratio = (statistics.median(values) for values in (self.ours, self.peer, self.ratios))
        span = f"{min(self.ratios):.3g} to {max(self.ratios):.3g}"
        return [self.what, self.unit, number(ours), number(peer), f"{ratio:.3g}", span]

    def raw(self) -> str:
        """Print every round's figures."""
        ours, peer = (", ".join(map(number, values)) for values in (self.ours, self.peer))
        return f"- {self.what}, {self.unit}: twinspect {ours}; anomalib {peer}"


@dataclass
class Report:
    """What one part, or all of them, found."""

    rows: list[Row] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take in another part's."""
        self.rows += other.rows
        self.tables += other.tables
        self.notes += other.notes

    def markdown(self) -> str:
        """Print the table of ratios, the other tables, the raw figures and the notes."""
        parts = [table(HEADING, [row.cells() for row in self.rows])] if self.rows else []
        parts += self.tables
        if self.rows:
            parts.append("\n".join(["Every round:", "", *(row.raw() for row in self.rows)]))
        parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Make a Markdown table."""
    rows = [f"| {' | '.join(line)} |" for line in (head, *lines)]
    return "\n".join([rows[0], "|" + "---|" * len(head), *rows[1:]])


def number(value: float) -> str:
    """Print three digits, and whole numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
