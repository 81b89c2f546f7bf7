"""Splitting: which images are held out, and which fold an image is in.

Both depend on the seed and the names alone: not on the order of the list, the machine, or a random
generator that may change between versions. Each name is hashed with the seed, and the hashes rank the
images of a category. Images of one part are kept together: the name of the part is hashed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twinspect.data.samples import Sample

Item = TypeVar("Item", bound="Sample")


def hold_out(samples: Sequence[Item], counts: Mapping[str, int], seed: int) -> tuple[list[Item], list[Item]]:
    """Hold out some parts of each category, or images that are parts by themselves: those with the lowest hashes.

    Args:
        samples: images with names that differ.
        counts: how many parts to hold out, by category.
        seed: another seed holds out others.

    Returns:
        (kept, held), each in the order of ``samples``.

    Raises:
        DataError: a count is out of range, or two images share a name.
    """
    names: set[str] = set()
    for ranked in _ranked(samples, seed):
        count = counts[ranked[0][0].category]
        if not 0 <= count <= len(ranked):
            raise DataError(
                f"cannot hold out {count} of {len(ranked)} images; allowed are 0 to {len(ranked)}"
            )
        names |= {sample.name for part in ranked[:count] for sample in part}
    kept = [sample for sample in samples if sample.name not in names]
    return kept, [sample for sample in samples if sample.name in names]


def fold_of(samples: Sequence[Sample], folds: int, seed: int) -> tuple[int, ...]:
    """Assign parts to folds whose sizes differ by one at most, in each category and overall.

    Args:
        samples: images with names that differ.
        folds: how many folds, 2 to as many as there are parts.
        seed: another seed assigns them differently.

    Returns:
        The fold of each sample, 0 to ``folds`` - 1, in the order of ``samples``.

    Raises:
        DataError: ``folds`` is out of range, or two images share a name.
    """
    order = [part for ranked in _ranked(samples, seed) for part in ranked]
    if not 2 <= folds <= len(order):
        raise DataError(f"cannot split {len(order)} images into {folds} folds; allowed are 2 to {len(order)}")
    fold = {sample.name: rank % folds for rank, part in enumerate(order) for sample in part}
    return tuple(fold[sample.name] for sample in samples)


def parts_by_category(samples: Iterable[Sample]) -> Counter[str]:
    """Count the parts that images show, by category."""
    return Counter(category for category, _, _ in {sample.part for sample in samples})


def check_test_every(test_every: int) -> None:
    """Check ``test_every``.

    Raises:
        ConfigError: ``test_every`` is below 2.
    """
    if test_every < 2:
        raise ConfigError(f"test_every is {test_every}; allowed is 2, every second image, or more")


def _ranked(samples: Sequence[Item], seed: int) -> list[list[list[Item]]]:
    """Group by category, in the order of their names, and rank the parts of each by hash."""
    twice = [name for name, times in Counter(sample.name for sample in samples).items() if times > 1]
    if twice:
        raise DataError(f"two images are called {twice[0]!r}; a split needs names that differ")
    categories: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        name = f"{seed}:{sample.group or sample.name}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        categories[sample.category][digest].append(sample)
    return [[images for _, images in sorted(categories[name].items())] for name in sorted(categories)]
