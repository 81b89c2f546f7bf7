"""What the runs of a benchmark lack of the papers whose numbers stand beside theirs.

The lengths of runs on tiles are not compared: their records do not count the tiles.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from twinspect.benchmark.trial import training_images
from twinspect.errors import ConfigError
from twinspect.methods import method_class
from twinspect.methods.config import config_of_record, hints
from twinspect.methods.shortfall import held_out_in_words, shortfall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.records import RunRecord, RunSeries
    from twinspect.data.samples import Sample


def shortfall_of_run(run: Run) -> str:
    """State what a run lacks of its paper, before it is made; its images are listed for it."""
    config, teacher = run.detector.config(), run.identity["teacher"]["name"]
    if run.detector.tile:
        return shortfall(config, teacher, [])
    images = images_by_category(training_images(run.read()))
    short = shortfall(config, teacher, [sum(images)], held_out=[config.held_out(images)])
    return _joined(short, held_out_in_words(config, images))


def shortfall_of_series(series: RunSeries) -> str:
    """State what runs that were made lack of their paper."""
    row = series.runs[0].row
    config = json.loads(row["config"])
    try:
        cls = method_class(row["method"]).Config
        known = {name: value for name, value in config.items() if name in hints(cls)}
        own = config_of_record(cls, known)
    except ConfigError:  # the method is of another package, or of another version
        return ""
    if "tile" in config:
        return shortfall(own, row["teacher"], [])
    images = [_by_category(run) for run in series.runs if run.row["train"] is not None]
    counts, held_out = list(map(sum, images)), list(map(own.held_out, images))
    # How many images of each of several categories there were is not kept.
    notes = {held_out_in_words(own, one) for one in images if len(one) == 1}
    short = shortfall(own, row["teacher"], counts, held_out=held_out)
    return _joined(short, *sorted(notes))


def images_by_category(samples: Sequence[Sample]) -> list[int]:
    """Count the images of each category."""
    return list(Counter(sample.category for sample in samples).values())


def _by_category(run: RunRecord) -> list[int]:
    """Divide the images that a run learnt from between its categories, about equally."""
    categories = max(1, len(run.categories))
    return [(run.row["train"] + number) // categories for number in range(categories)]


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
