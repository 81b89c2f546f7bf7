"""What is known of a candidate once it is fitted: scores, time and size; kept, so that it is not done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from twinspect.bundle.schema import Finite, RecordError, parse
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


class ImageRecord(Struct, frozen=True):
    """An image and its raw score.

    Attributes:
        name: of the image.
        label: ``good``, or the kind of defect.
        category: the product that it shows.
        score: raw, higher is more anomalous.
    """

    name: str
    label: str
    category: str
    score: Finite


class Result(Struct):
    """A fitted candidate.

    Attributes:
        fit_key: identifies images and settings of the fit.
        fit_seconds: wall clock of the fit; ``None`` if it was interrupted.
        steps: of every stage.
        measure_key: identifies how the rest was measured; empty until it is.
        milliseconds: of one image.
        runtime: what took them: ``torch``, or that of an export.
        mebibytes: of the model, or of the export where there is one.
        good: good images that were held out of the fit.
        drawn: such images with synthetic defects.
        found: how many of those are above the candidate's own threshold.
        labelled: labelled test images that the candidate has not learnt from.
    """

    fit_key: str
    fit_seconds: float | None = None
    steps: dict[str, int] = {}
    measure_key: str = ""
    milliseconds: float = 0.0
    runtime: str = ""
    mebibytes: float = 0.0
    good: list[ImageRecord] = []
    drawn: list[ImageRecord] = []
    found: int = 0
    labelled: list[ImageRecord] = []


def read_result(path: Path) -> Result | None:
    """Read a result; ``None`` where there is none, or none that can be read, which is then made again."""
    try:
        return parse(path.read_bytes(), Result)
    except (OSError, RecordError):
        return None


def write_result(path: Path, result: Result) -> None:
    """Write a result, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(result), indent=1))
