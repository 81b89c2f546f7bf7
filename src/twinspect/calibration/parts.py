"""Several images of one part: they count as one, by the highest of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Sequence

    from twinspect.data.samples import Sample

PartKey = tuple[str, str, int]
"""Category, part, and of an image that is a part by itself its number."""


def part_keys(images: int, categories: Sequence[str], parts: Sequence[str]) -> list[PartKey]:
    """Say which part each of some images shows.

    Args:
        images: how many there are.
        categories: what each image shows; empty where that is not known.
        parts: the part that each image shows, empty for an image that is a part by itself; empty where no image
            shows a part that others show.

    >>> part_keys(3, [], ["a", "a", ""])
    [('', 'a', 0), ('', 'a', 0), ('', '', 2)]
    """
    named = zip(categories or [""] * images, parts or [""] * images, strict=True)
    return [(category, part, 0 if part else number) for number, (category, part) in enumerate(named)]


def highest_by_part(
    values: Sequence[float], categories: Sequence[str], parts: Sequence[str]
) -> dict[PartKey, float]:
    """Take the highest value of each part.

    Args:
        values: one of each image.
        categories: as for :func:`part_keys`.
        parts: likewise.

    >>> highest_by_part([1.0, 3.0, 2.0], [], ["a", "a", ""])
    {('', 'a', 0): 3.0, ('', '', 2): 2.0}
    """
    highest: dict[PartKey, float] = {}
    for key, value in zip(part_keys(len(values), categories, parts), values, strict=True):
        highest[key] = max(value, highest.get(key, value))
    return highest


def count_parts(samples: Iterable[Sample]) -> int:
    """Count the parts that images show; an image that does not say which it shows is one by itself."""
    return len({sample.part for sample in samples})


def mates(samples: Iterable[Sample], names: Container[str]) -> set[str]:
    """Name the images of parts of which another image is left out.

    Ranked by the images that are left, such a part would count as one that has no others, and scores lower.

    Args:
        samples: all images.
        names: those that are left out.
    """
    samples = tuple(samples)
    parts = {sample.part for sample in samples if sample.name in names}
    return {sample.name for sample in samples if sample.part in parts and sample.name not in names}


def parts_note(samples: Collection[Sample]) -> str:
    """Say that images count by the parts they show; empty where each is one by itself."""
    parts = count_parts(samples)
    return (
        "" if parts == len(samples) else f"parts are what counts, and the {len(samples)} images show {parts}"
    )
