r"""The report in LaTeX: tables to be put into a paper with ``\input``; they need booktabs, longtable and array."""

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
_HEAD: Final = "% \\usepackage{booktabs,longtable,array}"
_WIDE: Final = 40
"""A column with a longer cell is broken into lines."""


def in_latex(laid: Sequence[Grid]) -> str:
    """Write tables, each with its note, and a list of what each number is."""
    items = [f"\\item[{escaped(name)}] {escaped(text)}" for name, text in definitions(laid).items()]
    meanings = ["\\begin{description}", *items, "\\end{description}"] if items else []
    return "\n".join([_HEAD, *map(_table, laid), *meanings]) + "\n"


def escaped(text: str) -> str:
    r"""Write text so that LaTeX prints it as it is.

    >>> print(escaped("98.1 ± 0.2 % of a_b"))
    98.1 $\pm$ 0.2 \% of a\_b
    """
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _table(grid: Grid) -> str:
    lines = [
        f"\\begin{{longtable}}{{{_columns(grid)}}}",
        f"\\caption{{{escaped(f'{grid.title}. {grid.note}'.strip())}}}\\\\",
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
    kinds = "l" * grid.words + "r" * (len(grid.columns) - grid.words)
    wide = "p{0.4\\linewidth}"
    return "".join(wide if length > _WIDE else kind for kind, length in zip(kinds, longest, strict=True))


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escaped, cells)) + " \\\\"
