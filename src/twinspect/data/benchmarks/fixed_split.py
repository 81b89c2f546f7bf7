"""A stated split for sets that come without one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.data.splits import check_test_every

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinspect.data.samples import Sample


def deal(groups: Iterable[list[Sample]], test_every: int) -> Iterator[Sample]:
    """Deal images out: every anomalous one is tested, and of the others group n, 2n, 3n and so on.

    Args:
        groups: images that must not be parted, such as several of one object; in a stated order.
        test_every: n.

    Raises:
        ConfigError: ``test_every`` is below 2.
    """
    check_test_every(test_every)
    for number, group in enumerate(groups, start=1):
        for sample in group:
            for_test = number % test_every == 0 or not sample.is_good
            yield replace(sample, split="test" if for_test else "train")


def deal_each(samples: Iterable[Sample], test_every: int) -> Iterator[Sample]:
    """Deal out images of which each stands for itself: good ones are counted, anomalous ones are not."""
    found = list(samples)
    yield from deal([[sample] for sample in found if sample.is_good], test_every)
    yield from deal([[sample for sample in found if not sample.is_good]], test_every)


def stated(what: str, test_every: int) -> str:
    """Word the split for ``DataSet.layout``."""
    return f"split here: of the good {what} number {test_every}, {2 * test_every}, ... in natural order are tested"
