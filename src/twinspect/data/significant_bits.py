"""How many of their 16 bits a set's images use: cameras of 10 or 12 bits leave the highest ones 0.

Read as 16 bits, such images are nearly black and keep a few grey levels. What one image holds says little, so the
whole set is asked, and what was found is recorded with the model.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ConfigError
from twinspect.images.reading import check_bit_count, largest_deep_value
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample
    from twinspect.utils.progress import Progress

RECOGNISED: Final = (8, 10, 12)
"""Depths that are taken without being asked for: above them, dark images of a deeper camera are as likely."""
LIKELY: Final = 14
"""A depth that is only mentioned."""
_LARGEST_OF_LIKELY: Final = 2**LIKELY - 1


def largest_value(
    samples: Sequence[Sample],
    *,
    enough: int = _LARGEST_OF_LIKELY,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int | None:
    """Find the largest value in the images of more than 8 bits; only those are decoded.

    Images that cannot be read are passed over.

    Args:
        samples: the images.
        enough: stop at the first value above this one.
        workers: threads that read; ``None`` for the number of processors, at most 8.
        progress: counts the images.

    Returns:
        ``None`` if no image has integers of more than 8 bits.
    """
    files = [sample for sample in samples if sample.pixels is None]
    largest: int | None = None
    bar = progress or NoProgress()
    bar.start("look for unused bits", len(files), 0)
    with closing(read_samples(files, _largest, workers=workers)) as values:
        for value in values:
            bar.advance()
            if value is not None and not isinstance(value, ReadFailure):
                largest = max(largest or 0, value)
                if largest > enough:
                    break
    bar.finish()
    return largest


def recognise_bits(largest: int | None) -> int | None:
    """Give the number of bits that images up to this value use: 8, 10 or 12; ``None`` for all of theirs.

    Args:
        largest: see :func:`largest_value`; where it is 0, every image is black.

    >>> recognise_bits(1020), recognise_bits(4095), recognise_bits(4096)
    (10, 12, None)
    """
    return next((bits for bits in RECOGNISED if largest and largest < 2**bits), None)


def check_bits(
    bits: int,
    samples: Sequence[Sample],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Refuse a number of bits that is not allowed, or that an image exceeds.

    Args:
        bits: as a user gave it.
        samples: the images.
        workers: threads that read.
        progress: counts the images.

    Raises:
        ConfigError: the images hold larger values, which would all be white.
    """
    check_bit_count(bits)
    white = 2**bits - 1
    largest = largest_value(samples, enough=white, workers=workers, progress=progress)
    if largest is not None and largest > white:
        raise ConfigError(
            f"bits is {bits}, which allows values up to {white}, but an image holds {largest}; give the camera's "
            "true number of bits, or leave it out"
        )


def describe_bits(largest: int | None) -> str:
    """Say in one line what was found; empty where nothing is unusual."""
    bits = recognise_bits(largest)
    if bits is not None:
        return (
            f"no image uses more than {bits} of its 16 bits (largest value {largest}): read as --bits {bits}; if the "
            "camera gives more, say how many with --bits N"
        )
    if largest and largest <= _LARGEST_OF_LIKELY:
        return (
            f"no image uses more than {LIKELY} of its 16 bits (largest value {largest}): if the camera gives "
            f"{LIKELY}, add --bits {LIKELY}"
        )
    return ""


def _largest(sample: Sample) -> int | None:
    if sample.content is not None:
        return largest_deep_value(sample.content.address, content=sample.content.read())
    return largest_deep_value(sample.path)


def choose_bits(
    given: int | None, samples: Sequence[Sample], *, workers: int | None, progress: Progress | None
) -> tuple[int | None, dict[str, Any]]:
    """Check the significant bits that were given, or recognise them.

    Returns:
        The bits, and what is kept about them with the data.

    Raises:
        TwinspectError: as for :func:`check_bits`.
    """
    if given is not None:
        check_bits(given, samples, workers=workers, progress=progress)
        return given, {}
    largest = largest_value(samples, workers=workers, progress=progress)
    bits, note = recognise_bits(largest), describe_bits(largest)
    return bits, {**({"recognised_bits": bits} if bits else {}), **({"bits_note": note} if note else {})}
