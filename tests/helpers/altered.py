"""Records altered at random, from a seed: values of other types, missing fields, lists of other lengths."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES: tuple[Any, ...] = (
    *(
        None,
        0,
        -1,
        1,
        2**70,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "a" * 5000,
        [],
        {},
        [None],
        {"a": 1},
    ),
    *(True, 10**9, 0.5, "../../x", "\x00", [[[[1]]]]),
)
SHOWN = 3
"""Entries of a list that are altered; the others are like them."""


def altered(record: Any, seed: int) -> Any:
    """Alter a copy of plain JSON values in one to three places."""
    rng, changed = random.Random(seed), copy.deepcopy(record)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        *above, last = rng.choice([path for path in _paths(changed) if path])
        place = changed
        for key in above:
            place = place[key]
        chance = rng.random()
        if chance < 0.15:
            del place[last]
        elif chance < 0.25 and isinstance(place[last], list):
            place[last] = place[last] * 2 if chance < 0.2 else place[last][:1]
        else:
            place[last] = rng.choice(VALUES)
    return changed


def flipped(content: bytes, seed: int) -> bytes:
    """Flip a bit, cut the end off, or put bytes in."""
    rng, data = random.Random(seed), bytearray(content)
    at = rng.randrange(len(data))
    chance = rng.random()
    if chance < 0.5:
        data[at] ^= 1 << rng.randrange(8)
    elif chance < 0.75:
        del data[at:]
    else:
        data[at:at] = rng.randbytes(rng.randrange(1, 40))
    return bytes(data)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:SHOWN])
        if isinstance(value, list)
        else ()
    )
    for key, entry in entries:
        yield from _paths(entry, (*path, key))
