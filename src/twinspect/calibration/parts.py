"""Several images of one part: they count as one, by the highest of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from twinspect.data.samples import Sample

PartKey = tuple[str, str, int]
"""Category, part, and of an image that is a part by itself its number."""


def highest_by_part(
    values: Sequence[float], categories: Sequence[str], parts: Sequence[str]
) -> dict[PartKey, float]:
    """Take the highest value of each part.

    Args:
        values: one of each image.
        categories: what each image shows; empty where that is not known.
        parts: the part that each image shows, empty for an image that is a part by itself; empty where no image
            shows a part that others show.

    >>> highest_by_part([1.0, 3.0, 2.0], [], ["a", "a", ""])
    {('', 'a', 0): 3.0, ('', '', 2): 2.0}
    """
    highest: dict[PartKey, float] = {}
    for number, value in enumerate(values):
        part = parts[number] if parts else ""
        key = (categories[number] if categories else "", part, 0 if part else number)
        highest[key] = max(value, highest.get(key, value))
    return highest


def count_parts(samples: Iterable[Sample]) -> int:
    """Count the parts that images show; an image that does not say which it shows is one by itself."""
    return len({sample.part for sample in samples})


def parts_note(samples: Collection[Sample]) -> str:
    """Say that images count by the parts they show; empty where each is one by itself."""
    parts = count_parts(samples)
    return (
        "" if parts == len(samples) else f"parts are what counts, and the {len(samples)} images show {parts}"
    )
