r"""The report in LaTeX: tables to be included in a paper with ``\input``; they need booktabs, longtable and array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.benchmark.table_layout import definitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.benchmark.table_layout import Grid

_ESCAPES: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after the end of a row it would begin an argument
    "]": "{]}",
    **{character: "\\" + character for character in "&%$#_{}"},
}
_PACKAGES: Final = "% \\usepackage{booktabs,longtable,array}"
_WIDEST: Final = 40
"""The cells of a column are wrapped if one is longer than this."""


def to_latex(grids: Sequence[Grid]) -> str:
    """Write tables, each with its note, and a list of the definitions."""
    items = [f"\\item[{escape(name)}] {escape(text)}" for name, text in definitions(grids).items()]
    listed = ["\\begin{description}", *items, "\\end{description}"] if items else []
    return "\n".join([_PACKAGES, *map(_table, grids), *listed]) + "\n"


def escape(text: str) -> str:
    r"""Write text so that LaTeX prints it as it is.

    >>> print(escape("98.1 ± 0.2 % of a_b"))
    98.1 $\pm$ 0.2 \% of a\_b
    """
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _table(grid: Grid) -> str:
    lines = [
        f"\\begin{{longtable}}{{{_columns(grid)}}}",
        f"\\caption{{{escape(f'{grid.title}. {grid.note}'.strip())}}}\\\\",
        "\\toprule",
        _row(grid.columns),
        "\\midrule",
        "\\endhead",
        *map(_row, grid.rows),
        "\\bottomrule",
        "\\end{longtable}",
    ]
    return "\n".join(lines)


def _columns(grid: Grid) -> str:
    longest = [max(map(len, cells)) for cells in zip(*grid.rows, strict=True)]
    alignments = "l" * grid.words + "r" * (len(grid.columns) - grid.words)
    wrapped = "p{0.4\\linewidth}"
    return "".join(
        wrapped if length > _WIDEST else alignment
        for alignment, length in zip(alignments, longest, strict=True)
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape, cells)) + " \\\\"
