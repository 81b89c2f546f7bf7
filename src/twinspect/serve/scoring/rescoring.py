"""Archived images that were judged good, scored anew: another calibration, perhaps of another region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.bundle.learnt_images import split_known
from twinspect.calibration.conformal import images_needed
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import CalibrationError, NotStoredError
from twinspect.loading import TORCH, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.regions.areas import Region
    from twinspect.serve.store import GoodImage, Store


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


def check_enough(images: int, judged: int, rate: float, model: str, region: Region | None) -> None:
    """Refuse fewer images than a rate takes.

    Raises:
        CalibrationError: says how many there are, how many are needed, and what to type instead.
    """
    needed = images_needed(rate)
    if images >= needed:
        return
    roi = " --roi roi.json" if region else ""
    of = f" of {judged}" if judged > images else ""
    why = " (not those learnt from or removed)" if judged > images else ""
    raise CalibrationError(
        f"{images}{of} images judged good can be scored anew{why}, and at most {100 * rate:.3g} % false alarms takes "
        f"{needed}: judge {needed - images} more, or type: "
        f"twinspect calibrate {model}.twin GOOD{roi}"
    )


def export_note(runtime: str, model: str, region: Region | None) -> str:
    """Say that an export no longer scores once another region is looked at; empty where none does."""
    if region is None or runtime == TORCH:
        return ""
    return (
        f"the export {runtime} looks where it did when it was made, so torch scores from then on; for another export "
        f"type: twinspect export {model}.twin"
    )


def rescored(
    folder: Path, samples: list[Sample], region: Region | None, rate: float, how: dict[str, Any]
) -> tuple[BaseDetector, list[str]]:
    """Calibrate a model on good images, in memory.

    Args:
        folder: the model; nothing is written.
        samples: good images that nothing was learnt from.
        region: the region of interest; ``None`` to leave that as it is.
        rate: the false-alarm rate to promise.
        how: arguments of :func:`twinspect.load`.

    Returns:
        The detector, and what is to be said of the images, as sentences.

    Raises:
        TwinspectError: they are too few, or it cannot look there.
    """
    said: list[str] = []
    detector = load(folder, **how if region is None else {**how, "runtime": TORCH})
    data = DataSet("images judged good", None, tuple(samples))
    detector.calibrate(data, roi=region, false_alarm_rate=rate, say=said.append)
    return detector, said
