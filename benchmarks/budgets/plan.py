"""Which cases there are, in turn: what comes later depends on what won before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from budgets.cases import AUTO, OURS, PEER, Case
from budgets.sets import CLASSES, FOLDERS
from budgets.tables import best_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from budgets.store import Store

PEERS = ("padim", "stfpm", "rd", "patchcore")
LONG_SETS = ("cookies", "deeppcb", "ballscrew")
BEST = {OURS: 3, PEER: 1}
"""How many methods of each side are fitted for long."""
TILED_SET, TILE = "ballscrew", 256
TILED = 2
"""How many of our methods are fitted to tiles as well."""


@dataclass(frozen=True)
class Chosen:
    """What of the plan is wanted.

    Attributes:
        methods: of ours.
        peers: methods of the peer.
        teachers: of ours; the peer has the first one alone, and so have ours but for the first seed.
        sets: names.
        minutes: budgets.
        seeds: of the first budget; the others have the first seed.
        steps: instead of the whole plan, this many steps of every method on every set.
    """

    methods: Sequence[str]
    peers: Sequence[str]
    teachers: Sequence[str]
    sets: Sequence[str]
    minutes: Sequence[float]
    seeds: Sequence[int]
    steps: int | None


def phases(chosen: Chosen, store: Store) -> Iterator[list[Case]]:
    """Give the cases that can be told from what has been measured; set by set, the sides in turn."""
    first = chosen.seeds[0]
    if chosen.steps:
        yield _cases(chosen, FOLDERS, None, first, chosen.teachers)
        return
    short, *longer = chosen.minutes
    for seed in chosen.seeds:
        yield _cases(chosen, FOLDERS, short, seed, chosen.teachers[: None if seed == first else 1])
    yield _cases(chosen, CLASSES, short, first)
    if not longer:
        return
    decisive, *longest = longer
    yield _cases(chosen, FOLDERS, decisive, first)
    for minutes in longest:
        rows = [row for side, most in BEST.items() for row in best_rows(store.good, side, decisive, most)]
        yield [
            Case(side, method, teacher, data, minutes, seed=first)
            for data in LONG_SETS
            if data in chosen.sets
            for side, method, teacher, _ in rows
        ]
    if TILED_SET in chosen.sets:
        yield [
            Case(side, method, teacher, TILED_SET, decisive, seed=first, tile=TILE)
            for side, method, teacher, _ in best_rows(store.good, OURS, decisive, TILED)
        ]


def _cases(
    chosen: Chosen, sets: Sequence[str], minutes: float | None, seed: int, teachers: Sequence[str] = ()
) -> list[Case]:
    """List cases of both sides, of our methods with some teachers, or else the first; ``auto`` with all."""
    some = teachers or chosen.teachers[:1]
    rows = [
        (OURS, method, teacher)
        for method in chosen.methods
        for teacher in (chosen.teachers if method == AUTO else some)
    ]
    rows += [(PEER, method, chosen.teachers[0]) for method in chosen.peers]
    return [
        Case(*row, data, minutes, chosen.steps, seed) for data in sets if data in chosen.sets for row in rows
    ]
