"""How long network and map take for one image alone."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from twinspect.data.pixels import read_pixels
from twinspect.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample
    from twinspect.inference.torch_engine import Prepared, TorchEngine

WARM_UP, MOST_PASSES, MOST_SECONDS = 2, 20, 2.0
"""Passes that do not count; passes that do, as far as they fit into so many seconds, but one at least."""


def batch1_seconds(engine: TorchEngine, samples: Sequence[Sample], bits: int | None) -> float | None:
    """Take the median time of a pass over the first image that can be read, from its prepared pixels to its map.

    Args:
        engine: of the model.
        samples: test images.
        bits: significant bits of 16-bit images.

    Returns:
        Seconds; ``None`` if no image can be read.
    """
    image = _first_image(engine, samples, bits)
    if image is None:
        return None
    for _ in range(WARM_UP):
        _pass(engine, image)
    began, times = time.perf_counter(), list[float]()
    while not times or (len(times) < MOST_PASSES and time.perf_counter() - began < MOST_SECONDS):
        times.append(_pass(engine, image))
    return statistics.median(times)


def _first_image(engine: TorchEngine, samples: Sequence[Sample], bits: int | None) -> Prepared | None:
    for sample in samples:
        try:
            return engine.prepare(read_pixels(sample, bits=bits))
        except ImageError:  # noqa: PERF203 - the next one will do
            continue
    return None


def _pass(engine: TorchEngine, image: Prepared) -> float:
    began = time.perf_counter()
    engine.score([image], maps=True)  # its results are on the CPU, so a GPU has finished
    return time.perf_counter() - began
