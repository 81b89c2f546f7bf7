"""Archived images that were judged good, scored anew: another calibration, perhaps of another region."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from twinspect.bundle.learnt_images import split_known
from twinspect.calibration.conformal import images_needed
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import CalibrationError, NotStoredError
from twinspect.loading import TORCH, load
from twinspect.regions.polygons import region_of_polygons
from twinspect.regions.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.serve.store import GoodImage, Store

Polygons = dict[str, Any]
"""Content of a region file: lists of polygons, ``look`` and ``ignore``."""


def good_samples(store: Store, images: Iterable[GoodImage], detector: BaseDetector) -> list[Sample]:
    """List the images that are still in the archive and that the detector did not learn from.

    Those of which it is not said what they show are the detector's only category, if it has one.
    """
    known = set(detector.calibration_.categories)
    usual = next(iter(known)) if len(known) == 1 else ""
    samples = []
    for image in images:
        try:
            path = store.archive.path(image.sha256)
        except NotStoredError:  # retention removed it
            continue
        samples.append(Sample(path, image.name, "calibration", category=image.category or usual))
    return split_known(samples, detector.learnt_.digests if detector.learnt_ else ())[0]


def check_enough(images: int, judged: int, rate: float, model: str, polygons: Polygons | None) -> None:
    """Refuse fewer images than a rate takes.

    Raises:
        CalibrationError: says how many there are, how many are needed, and what to type instead.
    """
    needed = images_needed(rate)
    if images >= needed:
        return
    roi = " --roi roi.json" if polygons else ""
    of = f" of {judged}" if judged > images else ""
    why = " (not those learnt from or removed)" if judged > images else ""
    raise CalibrationError(
        f"{images}{of} images judged good can be scored anew{why}, and at most {100 * rate:.3g} % false alarms takes "
        f"{needed}: judge {needed - images} more, or type: "
        f"twinspect calibrate {model}.twin GOOD{roi}"
    )


def scope_within(scope: Scope | None, polygons: Polygons | None) -> Scope | None:
    """Say where a detector would look.

    Args:
        scope: where it looks now.
        polygons: the region of interest; ``None`` to leave that as it is.

    Raises:
        DataError: a polygon is none, or nothing is left to look at.
    """
    if polygons is None:
        return scope
    region = region_of_polygons(polygons, "the region")
    return replace(scope, fixed=region) if scope else Scope(region)


def export_note(runtime: str, model: str, polygons: Polygons | None) -> str:
    """Say that an export no longer scores once another region is looked at; empty where none does."""
    if polygons is None or runtime == TORCH:
        return ""
    return (
        f"the export {runtime} looks where it did when it was made, so torch scores from then on; for another export "
        f"type: twinspect export {model}.twin"
    )


def rescored(
    folder: Path, samples: list[Sample], polygons: Polygons | None, rate: float, how: dict[str, Any]
) -> tuple[BaseDetector, list[str]]:
    """Calibrate a model on good images, in memory.

    Args:
        folder: the model; nothing is written.
        samples: good images that nothing was learnt from.
        polygons: the region of interest; ``None`` to leave that as it is.
        rate: the false-alarm rate to promise.
        how: arguments of :func:`twinspect.load`.

    Returns:
        The detector, and what is to be said of the images, as sentences.

    Raises:
        TwinspectError: they are too few, or it cannot look there.
    """
    said: list[str] = []
    detector = load(folder, **how if polygons is None else {**how, "runtime": TORCH})
    data = DataSet("images judged good", None, tuple(samples))
    with _as_file(polygons) as roi:
        detector.calibrate(data, roi=roi, false_alarm_rate=rate, say=said.append)
    return detector, said


@contextmanager
def _as_file(polygons: Polygons | None) -> Iterator[Path | None]:
    if polygons is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "roi.json"
        path.write_text(json.dumps(polygons))
        yield path
