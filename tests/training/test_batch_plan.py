"""The images of every step: none is left out, and batches of an epoch are full but for the last."""

from __future__ import annotations

from collections import Counter

import pytest
from torch.utils.data import DataLoader

from twinspect.methods.base import Stage
from twinspect.training.batch_plan import batch_plan


def stage(batch_size: int, epochs: int) -> Stage:
    return Stage("distil", (), lambda _: None, lambda _: None, 1, epochs, batch_size)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("images", "batch_size"), [(31, 16), (32, 16), (18, 16), (7, 16), (11, 3), (5, 1), (1, 4)]
)
def test_an_epoch_is_cut_as_a_data_loader_cuts_it(images: int, batch_size: int) -> None:
    plan = list(
        batch_plan(of := stage(batch_size, 3), [list(range(images))], 0, 0, 0, of.total_steps(images))
    )
    loader: DataLoader[int] = DataLoader(list(range(images)), batch_size=batch_size)  # type: ignore[arg-type]
    sizes = [len(batch) for batch in loader]
    assert [len(batch) for batch in plan] == 3 * sizes
    for epoch in range(3):
        steps = plan[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        assert sorted(number for batch in steps for number in batch) == list(range(images))


@pytest.mark.parametrize(("images", "processes", "last"), [(33, 1, 2), (34, 1, 2), (33, 4, 4), (38, 4, 6)])
def test_the_last_batch_has_an_image_a_process_and_two_at_least(
    images: int, processes: int, last: int
) -> None:
    of = stage(16, 1)
    plan = list(batch_plan(of, [list(range(images))], 0, 0, 0, of.total_steps(images), processes=processes))
    assert [len(batch) for batch in plan] == [16, 16, last]
    counts = Counter(number for batch in plan for number in batch)
    assert set(counts) == set(range(images))
    assert max(Counter(plan[-1]).values()) == 1


def test_a_training_by_steps_leaves_no_image_out_either() -> None:
    plan = list(batch_plan(stage(16, 0), [list(range(19))], 0, 0, 0, 2))
    assert {number for batch in plan for number in batch} == set(range(19))


def test_a_training_that_goes_on_has_the_same_batches() -> None:
    of = stage(4, 5)
    whole = list(batch_plan(of, [list(range(10))], 3, 1, 0, 15))
    assert list(batch_plan(of, [list(range(10))], 3, 1, 8, 15)) == whole[8:]
