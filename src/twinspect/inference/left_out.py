"""What is said of images that a fit or a calibration leaves out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from twinspect.calibration.parts import mates
from twinspect.errors import CalibrationError, DataError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from twinspect.data.samples import DataSet

MOST_NAMED: Final = 20
"""Unreadable files that are named one by one."""
MOST_REASONS: Final = 100
"""Images of which a record says why they could not be read."""


def learnt_note(learnt: int, total: int) -> str:
    """Say how many images a model was fitted on; empty for none."""
    return f"the model was fitted on {learnt} of the {total} images: left out" if learnt else ""


def near_note(near: int, total: int) -> str:
    """Say how many images are, but for their files, nearly those of a fit."""
    looks = "looks" if near == 1 else "look"
    return (
        f"{near} of the {total} images {looks} nearly the same as one that was learnt from or calibrated on "
        "(perceptual hash): kept, but new images may have more false alarms than promised"
    )


def unreadable_note(unreadable: int, total: int) -> str:
    """Say how many images cannot be read; empty for none."""
    return f"{unreadable} of the {total} images cannot be read: left out" if unreadable else ""


def mates_note(mates: int, total: int) -> str:
    """Say how many images show a part of which another image is left out; empty for none."""
    shown = f"{mates} of the {total} images show a part of which another image is left out"
    return f"{shown}: left out too" if mates else ""


def say_unreadable(unreadable: Mapping[str, str], total: int, say: Callable[[str], None]) -> None:
    """Name the first images that cannot be read, with the reasons, and say how many there are."""
    for reason in list(unreadable.values())[:MOST_NAMED]:
        say(reason)
    if unreadable:
        say(unreadable_note(len(unreadable), total))


def refuse_or_say(
    unreadable: Mapping[str, str], total: int, *, strict: bool, say: Callable[[str], None]
) -> None:
    """Say which images cannot be read and are left out, or refuse them.

    Raises:
        ImageError: ``strict``, and there are some.
    """
    if strict and unreadable:
        first = next(iter(unreadable.values()))
        raise ImageError(f"{first}; {len(unreadable)} of the {total} images cannot be read")
    say_unreadable(unreadable, total, say)


def silently(_: str) -> None:
    """Say nothing: another process does."""


def unreadable_record(unreadable: Mapping[str, str]) -> dict[str, Any]:
    """Count the images that could not be read, and keep the reasons of the first ones, as plain JSON values."""
    if not unreadable:
        return {}
    return {
        "unreadable": {"count": len(unreadable), "reasons": dict(list(unreadable.items())[:MOST_REASONS])}
    }


@contextmanager
def adding_note(*notes: str) -> Iterator[None]:
    """Add to an error that there are too few images why there are not more."""
    try:
        yield
    except CalibrationError as error:
        raise CalibrationError("; ".join([str(error), *filter(None, notes)])) from error


def without_unreadable(data: DataSet, unreadable: Mapping[str, str], say: Callable[[str], None]) -> DataSet:
    """Leave images out of the data of a fit that cannot be read, and all others of parts that they show.

    Args:
        data: what was listed.
        unreadable: why images cannot be read, by name.
        say: called with how many these others are.

    Raises:
        DataError: no good image is left to train on.
    """
    others = mates(data, unreadable)
    readable = [sample for sample in data if sample.name not in unreadable and sample.name not in others]
    if not any(sample.is_good and sample.split == "train" for sample in readable):
        what = "of every good part, an image cannot" if others else "none of the good images can"
        raise DataError(f"{data.name}: {what} be read; {min(unreadable.values())}")
    if others:
        say(mates_note(len(others), len(data)))
    return data.with_samples(readable)
