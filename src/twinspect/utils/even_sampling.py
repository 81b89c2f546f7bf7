"""Evenly spaced items of a sequence, to keep, show or measure in place of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """Take at most ``most`` items in even steps; where these are two or more, the first and the last are included.

    Args:
        items: in any order, which is kept.
        most: how many to take; all are taken where there are fewer.

    >>> evenly_spaced("abcdefg", 4), evenly_spaced("ab", 4), evenly_spaced("abc", 0)
    (['a', 'c', 'e', 'g'], ['a', 'b'], [])
    """
    indices = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[index] for index in indices.tolist()]
