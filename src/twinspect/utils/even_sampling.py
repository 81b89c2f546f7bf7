"""Some of many, evenly spaced: for what is kept, shown or measured in place of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """Take at most so many items in even steps; of two or more, the first and the last are among them.

    Args:
        items: in any order, which is kept.
        most: how many; all where there are fewer.

    >>> evenly_spaced("abcdefg", 4), evenly_spaced("ab", 4), evenly_spaced("abc", 0)
    (['a', 'c', 'e', 'g'], ['a', 'b'], [])
    """
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places.tolist()]
