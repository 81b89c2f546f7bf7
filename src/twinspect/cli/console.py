"""Tables on standard output, and notes on standard error."""

from __future__ import annotations

import logging
import statistics
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.calibration.conformal import Calibration

WIDE = 160
"""Width of tables that do not go to a terminal."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows as text."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*[_cell(value) for value in row])
    # In a file or a pipe nothing needs to be wrapped.
    width = max(80, Console().width) if sys.stdout.isatty() else WIDE
    console = Console(width=width, file=sys.stdout, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return spell(text).replace("[", "\\[")


def counted(many: int, thing: str) -> str:
    """Say how many of something there are.

    >>> counted(1, "shard"), counted(7, "image")
    ('1 shard', '7 images')
    """
    return f"{many} {thing}" if many == 1 else f"{many} {thing}s"


def warn(text: str) -> None:
    """Print a note on standard error, in one line whatever names are in it."""
    print(f"twinspect: {spell(text)}", file=sys.stderr)


class _Notes(logging.Handler):
    """Prints what is logged as a note."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, above the live lines if there are any."""
        warn(record.getMessage())


@contextmanager
def printed_notes(*, is_shown: bool) -> Iterator[None]:
    """Print which teacher ``auto`` took, while in the block; or nothing, where another process prints it."""
    logger, handler = logging.getLogger("twinspect.teachers"), _Notes() if is_shown else logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def warn_of_suspects(calibration: Calibration) -> None:
    """Name good images with suspiciously high scores: the threshold may rest on one of them."""
    for name, score in calibration.suspects():
        role = "sets the threshold" if score == calibration.threshold else "is in the calibration"
        warn(
            f"{name} {role}, but its score of {score:.4g} is far above the other good images' (median "
            f"{statistics.median(calibration.scores):.4g}): if it is not good, take it out and fit again"
        )
