"""A fixed split for benchmarks that come without an official one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.data.splits import check_test_every

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinspect.data.samples import Sample


def split_groups(groups: Iterable[list[Sample]], test_every: int) -> Iterator[Sample]:
    """Split images: every anomalous one is for testing, and of the others group n, 2n, 3n and so on.

    Args:
        groups: images that must stay together, such as several of one object; in a fixed order.
        test_every: n.

    Raises:
        ConfigError: ``test_every`` is below 2.
    """
    check_test_every(test_every)
    for number, group in enumerate(groups, start=1):
        for sample in group:
            for_test = number % test_every == 0 or not sample.is_good
            yield replace(sample, split="test" if for_test else "train")


def split_images(samples: Iterable[Sample], test_every: int) -> Iterator[Sample]:
    """Split images one by one: every n-th good one is for testing, and every anomalous one."""
    images = list(samples)
    yield from split_groups([[sample] for sample in images if sample.is_good], test_every)
    yield from split_groups([[sample for sample in images if not sample.is_good]], test_every)


def describe_split(unit: str, test_every: int) -> str:
    """Describe the split for ``DataSet.layout``; ``unit`` is what was split, in the plural."""
    return f"split here: of the good {unit} number {test_every}, {2 * test_every}, ... in natural order are tested"
