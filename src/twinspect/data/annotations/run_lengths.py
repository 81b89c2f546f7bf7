"""Run-length codes of COCO: lengths of runs of unmarked and marked pixels in turn, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def decode_run_lengths(code: Mapping[str, Any], shape: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """Decode ``{"size": [height, width], "counts": ...}``, counts being a list or COCO's text of them.

    Args:
        code: the code.
        shape: (height, width) that the image has.
        where: begins the message of an error.

    Returns:
        (H, W) bool.

    Raises:
        DataError: it is damaged, or for an image of another size.
    """
    size, counts = code.get("size"), code.get("counts")
    if size != list(shape):
        raise DataError(f"{where}: its run-length code is of size {size}, its image is {list(shape)}")
    total = shape[0] * shape[1]
    # A text has at most one character for each 5 bits; more runs than pixels need zeros among them.
    if not isinstance(counts, (list, str)) or len(counts) > 8 * total + 8:
        raise DataError(f"{where}: the counts of its run-length code are neither a list nor COCO's text")
    lengths = _from_text(counts, where) if isinstance(counts, str) else counts
    if not all(type(length) is int and 0 <= length <= total for length in lengths) or sum(lengths) != total:
        raise DataError(f"{where}: the counts of its run-length code do not add up to {total} pixels")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(shape, order="F")


def _from_text(text: str, where: str) -> list[int]:
    """Read numbers of 5 bits a character, the lowest first; from the fourth on each is added to that two before."""
    lengths: list[int] = []
    value = bits = 0
    for character in text:
        part = ord(character) - 48
        if not 0 <= part < 64 or bits > 40:
            raise DataError(f"{where}: its run-length code holds {character!r}, which COCO's text does not")
        value |= (part & 31) << bits
        bits += 5
        if part & 32:  # more to come
            continue
        if part & 16:  # negative
            value -= 1 << bits
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = bits = 0
    if bits:
        raise DataError(f"{where}: its run-length code ends within a number")
    return lengths
