"""Writing the tables of a benchmark: for people, for papers, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.benchmark.csv_table import in_csv, rows
from twinspect.benchmark.html import in_html
from twinspect.benchmark.latex import in_latex
from twinspect.benchmark.markdown import in_markdown
from twinspect.benchmark.published import everything
from twinspect.benchmark.records import read_series
from twinspect.benchmark.summary import summary_rows
from twinspect.benchmark.table_layout import grids
from twinspect.errors import ConfigError, unknown_name
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from twinspect.benchmark.store import RunStore


def write_tables(store: RunStore, *, beside: str | None = None) -> tuple[str, dict[str, Any]]:
    """Write ``table.md``, ``table.csv``, ``table.tex`` and ``table.html`` beside the file of runs.

    Args:
        store: the runs.
        beside: show the numbers published on this protocol instead of those of the protocol that was run.

    Returns:
        The text of ``table.md``, and the rows of ``table.csv`` as plain JSON values.

    Raises:
        ConfigError: there are no runs, or nothing is published on ``beside``.
        OSError: the disk is full.
    """
    known = {number.protocol for number in everything()}
    if beside is not None and beside not in known:
        raise unknown_name("protocol with published numbers", beside, known)
    series = read_series(store)
    if not series:
        raise ConfigError(
            f"{store.folder} holds no runs yet; begin with: twinspect benchmark PROTOCOL --data DIR"
        )
    found = summary_rows(series, beside)
    laid, numbers = grids(series, found, beside), list(rows(series, found))
    texts = {
        "md": in_markdown(laid),
        "csv": in_csv(numbers),
        "tex": in_latex(laid),
        "html": in_html(laid, found),
    }
    for suffix, text in texts.items():
        write_atomically(store.folder / f"table.{suffix}", text.encode(errors="backslashreplace"))
    return texts["md"], {"out": str(store.folder), "numbers": numbers}
