"""Write the tables of a benchmark: for people, for papers, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.benchmark.csv_table import csv_rows, to_csv
from twinspect.benchmark.html import to_html
from twinspect.benchmark.latex import to_latex
from twinspect.benchmark.markdown import to_markdown
from twinspect.benchmark.published import all_published
from twinspect.benchmark.records import read_series
from twinspect.benchmark.summary import summary_rows
from twinspect.benchmark.table_layout import report_grids
from twinspect.errors import ConfigError, unknown_name
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from twinspect.benchmark.store import RunStore


def write_tables(store: RunStore, *, beside: str | None = None) -> tuple[str, dict[str, Any]]:
    """Write ``table.md``, ``table.csv``, ``table.tex`` and ``table.html`` into the folder of a store.

    Args:
        store: of the runs.
        beside: show the numbers published on this protocol instead of those of the protocol that was run.

    Returns:
        The text of ``table.md``, and the rows of ``table.csv`` as plain JSON values.

    Raises:
        ConfigError: there are no runs, or nothing is published on ``beside``.
        OSError: the disk is full.
    """
    known = {number.protocol for number in all_published()}
    if beside is not None and beside not in known:
        raise unknown_name("protocol with published numbers", beside, known)
    all_series = read_series(store)
    if not all_series:
        raise ConfigError(
            f"{store.folder} holds no runs yet; start with: twinspect benchmark PROTOCOL --data DIR"
        )
    summary = summary_rows(all_series, beside)
    grids, numbers = report_grids(all_series, summary, beside), list(csv_rows(all_series, summary))
    texts = {
        "md": to_markdown(grids),
        "csv": to_csv(numbers),
        "tex": to_latex(grids),
        "html": to_html(grids, summary),
    }
    for suffix, text in texts.items():
        write_atomically(store.folder / f"table.{suffix}", text.encode(errors="backslashreplace"))
    return texts["md"], {"out": str(store.folder), "numbers": numbers}
