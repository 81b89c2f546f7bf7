"""Suspects among the good images: what `doctor --suspects` shows, and what `fit` says or leaves out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from twinspect.cli.console import counted, table, warn
from twinspect.errors import ConfigError, DataError
from twinspect.evaluation.suspects import FEWEST, find_suspects
from twinspect.report.suspects_page import MARK, render_suspects
from twinspect.utils.files import write_atomically
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.data.samples import DataSet, Sample
    from twinspect.evaluation.suspects import Suspects

SHARE_OF_FIT: Final = 0.05
"""Share of a fit's time in which `fit` looks for suspects when it is over."""
LEAST_SECONDS: Final = 0.5
"""With less time than this nothing is looked for: after a fit of a few seconds nobody waits for it."""
NAMED: Final = 3
"""Suspects that `fit` names; `doctor --suspects` shows all."""
LISTED: Final = 20
_READ_OF_PAGE: Final = 65536


def learnt_samples(data: DataSet) -> list[Sample]:
    """List the good images that `fit` reads."""
    return [sample for sample in data if sample.is_good and sample.split != "test"]


def check_page(page: Path) -> None:
    """Make the folder of a page, and refuse a place that is taken, before images are read.

    Raises:
        ConfigError: a file of the page's name was not written by this verb.
        OSError: the folder cannot be made.
    """
    if page.exists() and not _is_ours(page):
        raise ConfigError(
            f"{page} was not written by doctor --suspects; choose another --out, or move it away"
        )
    page.parent.mkdir(parents=True, exist_ok=True)


def show_suspects(data: DataSet, page: Path) -> tuple[str, dict[str, Any]]:
    """Look for suspects, write the page, see :func:`check_page`, and return a text and plain JSON values.

    Raises:
        DataError: there are no good images.
    """
    samples = learnt_samples(data)
    if not samples:
        raise DataError(f"{data.name}: no good images to look for suspects in")
    found = find_suspects(samples)
    html = render_suspects(data.name, found, samples)
    write_atomically(page, html.encode(errors="backslashreplace"))
    ranked = [(name, f"{found.strangeness[name]:.2f}") for name in found.names[:LISTED]]
    pairs = [f"near-duplicates: {first} and {later}" for first, later in found.duplicates[:LISTED]]
    is_known = found.strangeness or found.duplicates  # of too few images, none is read
    pairs_found = f"; {counted(len(found.duplicates), 'pair')} of near-duplicates" if is_known else ""
    lines = [
        f"{_count(found)}{pairs_found}",
        *([table(("suspect", "strangeness (above 1)"), ranked)] if ranked else []),
        *[spell(pair) for pair in pairs],
        spell(str(page)),
    ]
    return "\n".join(lines), {**found.to_record(), "page": str(page)}


def exclude_suspects(data: DataSet, *, is_first: bool) -> tuple[DataSet, list[str]]:
    """Leave the suspects out of what `fit` reads, and say which, unless another process says it."""
    found = find_suspects(learnt_samples(data))
    names = list(found.names)
    if names and is_first:
        warn(f"{_count(found)}; left out: {', '.join(names)}")
    elif not found.strangeness and is_first:
        warn(f"{_count(found)}; none is left out")
    left_out = set(names)
    return data.with_samples([sample for sample in data if sample.name not in left_out]), names


def mention_suspects(data: DataSet, typed: Sequence[str], seconds: float) -> dict[str, Any]:
    """After a fit, say in a line which of its images look unlike the others, and return plain JSON values.

    Of more images than there is time for, evenly spaced ones are looked at.

    Args:
        data: what was fitted.
        typed: how it was named on the command line, see :func:`.class_selection.as_typed`.
        seconds: how long the fit took.
    """
    if SHARE_OF_FIT * seconds < LEAST_SECONDS:
        return {}
    found = find_suspects(learnt_samples(data), seconds=SHARE_OF_FIT * seconds)
    if found.names:
        more = ", …" if len(found.names) > NAMED else ""
        names = ", ".join(found.names[:NAMED]) + more
        warn(f"{_count(found)}: {names}; look at them: twinspect doctor --suspects {shlex.join(typed)}")
    return {"suspects": found.to_record()}


def _count(found: Suspects) -> str:
    if not found.strangeness:
        return f"too few good images to tell which look unlike the others: {FEWEST} of a category are needed"
    looked = counted(len(found.strangeness), "good image")
    verb = "looks" if len(found.names) == 1 else "look"
    return f"{len(found.names)} of {looked} {verb} unlike the others"


def _is_ours(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return MARK.encode() in file.read(_READ_OF_PAGE)
    except OSError:
        return False
