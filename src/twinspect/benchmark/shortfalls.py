"""What the runs of a benchmark lack of the papers whose numbers stand beside theirs.

The lengths of runs on tiles are not compared: their records do not count the tiles.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from twinspect.benchmark.trial import training_images
from twinspect.errors import ConfigError
from twinspect.methods import method_class
from twinspect.methods.config import config_of_record, hints
from twinspect.methods.shortfall import shortfall

if TYPE_CHECKING:
    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.records import RunSeries


def shortfall_of_run(run: Run) -> str:
    """State what a run lacks of its paper, before it is made; its images are listed for it."""
    images = [] if run.detector.tile else [len(training_images(run.read()))]
    return shortfall(run.detector.config(), run.identity["teacher"]["name"], images)


def shortfall_of_series(series: RunSeries) -> str:
    """State what runs that were made lack of their paper."""
    row = series.runs[0].row
    config = json.loads(row["config"])
    counts = [run.row["train"] for run in series.runs if run.row["train"] is not None]
    try:
        cls = method_class(row["method"]).Config
        known = {name: value for name, value in config.items() if name in hints(cls)}
        return shortfall(config_of_record(cls, known), row["teacher"], [] if "tile" in config else counts)
    except ConfigError:  # the method is of another package, or of another version
        return ""
