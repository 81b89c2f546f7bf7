"""The report in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.benchmark.table_layout import definitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.benchmark.table_layout import Grid


def to_markdown(grids: Sequence[Grid], title: str = "Benchmark") -> str:
    """Write tables in GitHub's Markdown, with every definition at the end."""
    parts = [f"# {title}", *map(_table, grids), "## What each number is"]
    parts.append("\n".join(f"- **{name}**: {text}" for name, text in definitions(grids).items()))
    return "\n\n".join(parts) + "\n"


def _table(grid: Grid) -> str:
    rules = ["---"] * grid.words + ["---:"] * (len(grid.columns) - grid.words)
    table = "\n".join([_row(grid.columns), _row(rules), *map(_row, grid.rows)])
    return f"## {grid.title}\n\n{table}" + (f"\n\n{grid.note}" if grid.note else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(cell: str) -> str:
    return " ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
