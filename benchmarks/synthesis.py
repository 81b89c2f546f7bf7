"""Images a second that become anomalous, by kind of anomaly; training must not wait for them.

python benchmarks/synthesis.py            about half a minute
python benchmarks/synthesis.py --textures ../shared/data/textures --threads 2
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from twinspect.data.prefetching import prefetch
from twinspect.synthesis import Synthesizer, foreground
from twinspect.synthesis.procedural_textures import pattern_pool
from twinspect.synthesis.synthesizer import DRAWERS, MIXED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twinspect.synthesis import Synthetic

    Images = NDArray[np.uint8]

BATCH = 16


def main() -> None:
    """Measure every kind and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="side of an image in pixels")
    parser.add_argument("--batches", type=int, default=12, help=f"batches of {BATCH} images a measurement")
    parser.add_argument("--textures", default="", help="folder of textures; default: drawn ones")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    images = discs(BATCH, options.size)
    seconds, _ = timed(lambda: [foreground(image) for image in images])
    print(f"foreground: {BATCH / seconds:.0f} images/s")
    for kind in (*DRAWERS, MIXED):
        synthesizer = Synthesizer(kind, options.textures, normal_share=0)
        synthesizer(images, range(BATCH))  # draws or reads the textures, imports what is needed
        for threads in sorted({0, options.threads}):
            steps = range(1, options.batches + 1)
            made, cpu = timed(lambda s=synthesizer, n=steps, t=threads: run(s, images, n, t))
            count = BATCH * options.batches
            print(
                f"{kind}, {'no thread' if threads == 0 else f'{threads} thread(s)'}: {count / made:.0f} images/s, "
                f"{1000 * cpu / count:.1f} ms of processor an image"
            )


def run(synthesizer: Synthesizer, images: Images, steps: range, threads: int) -> None:
    """Synthesise batches whose images are all numbered differently."""

    def draw(step: int) -> Synthetic:
        return synthesizer(images, range(step * BATCH, (step + 1) * BATCH))

    for batch in prefetch(steps, draw, workers=threads, ahead=threads + 1):
        assert batch.is_anomalous.any()


def discs(count: int, size: int) -> Images:
    """Draw objects: patterned discs on a dark, uneven ground; (count, size, size, 3) uint8."""
    rows, columns = np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    disc = (np.hypot(rows, columns) < 0.7)[..., None]
    tiles = -(-size // 256)
    patterns = np.tile(pattern_pool(1)[:count] // 2 + 100, (1, tiles, tiles, 1))[:, :size, :size]
    return np.where(disc, patterns, np.uint8(30)).astype(np.uint8)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Give the seconds on the clock, and of the processor, that a call takes."""
    clock, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
