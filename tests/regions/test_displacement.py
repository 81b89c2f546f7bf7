"""Whether something was seen to have moved, on marks printed on a part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinspect.regions.displacement import displaced

Lab = np.ndarray[Any, np.dtype[np.float32]]
INSIDE = np.zeros((48, 48), dtype=bool)
INSIDE[10:38, 10:38] = True


def part(seed: int, *marks: tuple[int, int]) -> Lab:
    """A light part, (48, 48, 3) in CIELAB, with a dark mark of two colours, 8 x 8 pixels, at each place."""
    lab = np.random.default_rng(seed).normal((70, 5, 5), 1.5, (48, 48, 3))
    for row, column in marks:
        lab[row : row + 8, column : column + 8] -= (40, 0, 0)
        lab[row + 2 : row + 4, column : column + 5] += (20, 30, 0)
    return lab.astype(np.float32)


GOOD = [part(seed, (20, 20)) for seed in range(3)]


@pytest.mark.parametrize("move", [(0, -8), (-7, 3), (4, 6), (8, -8)])
def test_a_mark_that_moved_is_displaced(move: tuple[int, int]) -> None:
    assert displaced(part(9, (20 + move[0], 20 + move[1])), INSIDE, GOOD) == "displaced"


@pytest.mark.parametrize(
    "other",
    [
        part(9, (20, 20)),
        part(9, (20, 21)),
        part(9),
        part(9, (20, 20), (20, 29)),
        part(9, (20, 20), (12, 12)),
        part(9, (20, 20)) - np.array([30, 0, 0], dtype=np.float32) * INSIDE[..., None],
    ],
    ids=["the same", "by a pixel", "missing", "another beside it", "another", "darker"],
)
def test_nothing_else_is(other: Lab) -> None:
    assert not displaced(other, INSIDE, GOOD)


def test_good_images_must_agree() -> None:
    moved = part(9, (25, 20))
    assert not displaced(moved, INSIDE, [*GOOD, part(3, (22, 26))])
    assert not displaced(moved, INSIDE, [*GOOD, part(3, (25, 20))])
    assert not displaced(moved, INSIDE, [])


def test_a_plain_surface_may_have_come_from_anywhere() -> None:
    wide = np.full((48, 48, 3), (70, 5, 5), dtype=np.float32)
    stripe, moved = wide.copy(), wide.copy()
    stripe[:24] -= 40
    moved[:27] -= 40
    assert not displaced(moved, np.ones((48, 48), dtype=bool), [stripe])
