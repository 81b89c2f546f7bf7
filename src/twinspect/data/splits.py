"""Splitting: which images are held out, and which fold an image is in.

Both depend on the seed and the names alone: not on the order of the list, the machine, or a random
generator that may change between versions. Each name is hashed with the seed, and the hashes rank the
images of a category.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.data.samples import Sample

Item = TypeVar("Item", bound="Sample")


def hold_out(samples: Sequence[Item], counts: Mapping[str, int], seed: int) -> tuple[list[Item], list[Item]]:
    """Hold out some images of each category: those with the lowest hashes.

    Args:
        samples: images with names that differ.
        counts: how many to hold out, by category.
        seed: another seed holds out others.

    Returns:
        (kept, held), each in the order of ``samples``.

    Raises:
        DataError: a count is out of range, or two images share a name.
    """
    names: set[str] = set()
    for ranked in _ranked(samples, seed):
        count = counts[ranked[0][1].category]
        if not 0 <= count <= len(ranked):
            raise DataError(
                f"cannot hold out {count} of {len(ranked)} images; allowed are 0 to {len(ranked)}"
            )
        names |= {sample.name for _, sample in ranked[:count]}
    kept = [sample for sample in samples if sample.name not in names]
    return kept, [sample for sample in samples if sample.name in names]


def fold_of(samples: Sequence[Sample], folds: int, seed: int) -> tuple[int, ...]:
    """Assign images to folds whose sizes differ by one at most, in each category and overall.

    Args:
        samples: images with names that differ.
        folds: how many folds, 2 to as many as there are images.
        seed: another seed assigns them differently.

    Returns:
        The fold of each sample, 0 to ``folds`` - 1, in the order of ``samples``.

    Raises:
        DataError: ``folds`` is out of range, or two images share a name.
    """
    if not 2 <= folds <= len(samples):
        raise DataError(
            f"cannot split {len(samples)} images into {folds} folds; allowed are 2 to {len(samples)}"
        )
    order = [sample.name for ranked in _ranked(samples, seed) for _, sample in ranked]
    fold = {name: rank % folds for rank, name in enumerate(order)}
    return tuple(fold[sample.name] for sample in samples)


def check_test_every(test_every: int) -> None:
    """Check ``test_every``.

    Raises:
        ConfigError: ``test_every`` is below 2.
    """
    if test_every < 2:
        raise ConfigError(f"test_every is {test_every}; allowed is 2, every second image, or more")


def _ranked(samples: Sequence[Item], seed: int) -> list[list[tuple[str, Item]]]:
    """Group by category, in the order of their names, and rank each group by hash."""
    twice = [name for name, times in Counter(sample.name for sample in samples).items() if times > 1]
    if twice:
        raise DataError(f"two images are called {twice[0]!r}; a split needs names that differ")
    groups = defaultdict(list)
    for sample in samples:
        digest = hashlib.sha256(f"{seed}:{sample.name}".encode("utf-8", "surrogateescape")).hexdigest()
        groups[sample.category].append((digest, sample))
    return [sorted(groups[category], key=lambda pair: pair[0]) for category in sorted(groups)]
