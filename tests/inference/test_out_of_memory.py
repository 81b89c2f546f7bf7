"""An image that takes more memory than there is becomes a row with its error; the others are scored."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinspect.data.prefetching import read_samples
from twinspect.data.samples import Sample
from twinspect.inference.pipeline import ScoringPipeline
from twinspect.utils.memory import naming_exhaustion

SAID = [
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to",
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "Non-zero status code returned while running Conv node. bad allocation",
    "std::bad_alloc",
]


class SmallMemory:
    """An engine that cannot score large images, alone or with others."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def prepare(self, rgb: Any, _region: Any) -> Any:
        return rgb

    def score(self, prepared: Any, *, maps: bool) -> Any:
        if any(rgb.shape[0] > 100 for rgb in prepared):
            raise self._error
        return [float(rgb[0, 0, 0]) for rgb in prepared], [None for _ in prepared]


def sample(number: int, side: int) -> Sample:
    pixels = np.full((side, side, 3), number, np.uint8)
    return Sample(Path(f"{number}"), f"{number}", "test", pixels=pixels)


@pytest.mark.parametrize("error", [MemoryError(), *map(RuntimeError, SAID)])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_neighbours_of_an_image_that_is_too_large_are_scored(error: Exception, workers: int) -> None:
    samples = [sample(number, 200 if number in (3, 9, 10) else 20) for number in range(12)]
    rows = list(ScoringPipeline(workers).stream(SmallMemory(error), samples, maps=False))
    assert [row.sample for row in rows] == samples
    for number, row in enumerate(rows):
        if number in (3, 9, 10):
            assert math.isnan(row.score)
            assert (
                row.error
                == f"{number}: too large: it needs more memory than there is; split it into several files"
            )
        else:
            assert (row.score, row.error) == (number, "")


def test_another_error_of_a_runtime_is_not_taken_for_that() -> None:
    with pytest.raises(RuntimeError, match="sizes differ"), naming_exhaustion():
        raise RuntimeError("sizes differ")


def test_reading_that_takes_too_much_is_that_images_failure() -> None:
    def work(each: Sample) -> str:
        if each.name == "1":
            raise MemoryError
        return each.name

    first, second, third = read_samples([sample(number, 4) for number in range(3)], work, workers=2)
    assert (first, third) == ("0", "2")
    assert second.message == "1: too large: it needs more memory than there is; split it into several files"
