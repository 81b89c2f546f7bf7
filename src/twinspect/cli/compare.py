"""`twinspect compare`: several methods on one's own images, ranked, with the command that takes the best."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.cli.class_selection import as_typed, select_classes
from twinspect.cli.console import table, warn
from twinspect.cli.outcome import DONE, SOME_FAILED, Outcome
from twinspect.comparison.compare import PAGE, choose, compare
from twinspect.comparison.comparison import COLUMNS, rows_of, sentences
from twinspect.data import open_data
from twinspect.data.summary import summarize
from twinspect.loading import use_threads
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse

SHARED: Final = (
    "teacher",
    "weights",
    "size",
    "tile",
    "overlap",
    "seed",
    "false_alarm_rate",
    "device",
    "workers",
)
"""Parameters of a detector that are options here, by the same names."""


def run(options: argparse.Namespace) -> Outcome:
    """Compare, and say which is the best."""
    use_threads(options.threads)
    out = Path(options.out)
    shared = {name: getattr(options, name) for name in SHARED if getattr(options, name) is not None}
    choose(options.candidates, options.minutes, shared)  # before a large folder is listed
    data = open_data(select_classes(options, options.data), split="train")
    warn(summarize(data))
    try:
        with Bar() as bar:
            comparison = compare(
                data,
                options.candidates,
                minutes=options.minutes,
                out=out,
                exports=options.export,
                progress=bar,
                say=warn,
                shown_as=as_typed(options),
                **shared,
            )
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("what is finished is kept; go on with the same command") from interruption
    text = "\n".join(
        [
            table(COLUMNS, rows_of(comparison)),
            *sentences(comparison),
            f"heat maps side by side: {out / PAGE}",
            f"take the best: {comparison.winner.command}",
            f"or as it is: twinspect score {shlex.quote(str(comparison.winner.model))} IMAGES",
        ]
    )
    return Outcome(text, comparison.to_record(), SOME_FAILED if comparison.failed else DONE)
