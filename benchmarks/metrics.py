"""Time and memory of the metrics, each beside a plain way of computing the same in the same run.

python benchmarks/metrics.py            about 20 seconds
python benchmarks/metrics.py --maps 400 --size 512
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from twinspect.metrics import PixelAccumulator, aupro, auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

REGIONS_PER_MAP = 3


def main() -> None:
    """Run every measurement and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scores", type=int, default=1_000_000, help="image scores to rank")
    parser.add_argument("--maps", type=int, default=100, help="anomaly maps")
    parser.add_argument("--size", type=int, default=256, help="side of a map in pixels, 32 or more")
    arguments = parser.parse_args()
    measure_auroc(arguments.scores)
    measure_aupro(arguments.maps, arguments.size)
    measure_streaming(arguments.maps, arguments.size)


def measure_auroc(n: int) -> None:
    """Print the time of AUROC beside scikit-learn's, for balanced and for rare anomalies."""
    rng = np.random.default_rng(0)
    for share in (0.5, 0.05):
        labels = rng.random(n) < share
        scores = rng.normal(size=n).astype(np.float32) + labels
        ours, value = best_of(3, lambda a=labels, b=scores: auroc(a, b))
        theirs, expected = best_of(3, lambda a=labels, b=scores: roc_auc_score(a, b))
        print(
            f"AUROC of {n:,} scores, {share:.0%} anomalous: {ours:.3f} s; scikit-learn {theirs:.3f} s; "
            f"{theirs / ours:.1f} times as fast; difference {abs(value - expected):.1e}"
        )


def measure_aupro(n: int, size: int) -> None:
    """Print the time of exact AUPRO beside a sweep of 200 thresholds."""
    masks, maps = map(np.stack, zip(*images(n, size), strict=True))
    ours, value = best_of(3, lambda: aupro(masks, maps))
    theirs, swept = best_of(1, lambda: sweep(masks, maps, thresholds=200))
    print(
        f"AUPRO of {n} maps {size}x{size}, {REGIONS_PER_MAP * n} regions: {ours:.3f} s, exact; sweep of "
        f"200 thresholds {theirs:.3f} s; {theirs / ours:.1f} times as fast; the sweep is off by "
        f"{abs(value - swept):.1e}"
    )


def measure_streaming(n: int, size: int) -> None:
    """Print time and peak memory of all pixel metrics, held exactly and binned, over n and 2 n maps."""
    for exact_up_to, name in ((2**40, "exact"), (0, "binned")):
        for count in (n, 2 * n):
            started = time.perf_counter()
            tracemalloc.start()
            pixels = PixelAccumulator(exact_up_to)
            for mask, score_map in images(count, size):
                pixels.add(mask, score_map)
            found = pixels.compute()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            took = time.perf_counter() - started
            print(
                f"streaming, {name}, {count} maps: {took:.2f} s with making the maps; "
                f"peak {peak / 2**20:.0f} MiB = {peak / (4 * found.n_pixels):.2f} copies of the scores; "
                f"AUROC {found.auroc:.6f} +- {found.error_bound.auroc:.1e}, "
                f"AUPRO {found.aupro_30:.6f} +- {found.error_bound.aupro_30:.1e}"
            )


def images(n: int, size: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """Yield masks of three rectangles apart, and smooth noise raised inside them."""
    rng = np.random.default_rng(1)
    third = size // REGIONS_PER_MAP
    for _ in range(n):
        mask = np.zeros((size, size), dtype=bool)
        for band in range(REGIONS_PER_MAP):
            height, width = rng.integers(2, third // 2, 2)
            top, left = band * third + rng.integers(0, third // 2 - 1), rng.integers(0, size - width)
            mask[top : top + height, left : left + width] = True
        noise = rng.normal(size=(size, size)).astype(np.float32)
        yield mask, ndimage.uniform_filter(noise, 5) + 0.3 * mask.astype(np.float32)


def sweep(masks: NDArray[np.bool_], maps: NDArray[np.float32], thresholds: int, limit: float = 0.3) -> float:
    """Compute AUPRO the plain way: evenly spaced thresholds, each region looked at under each of them."""
    labels = [ndimage.label(mask, structure=np.ones((3, 3)))[0] for mask in masks]
    boxes = [ndimage.find_objects(label) for label in labels]
    fpr, pro = [0.0], [0.0]
    for threshold in np.linspace(maps.max(), maps.min(), thresholds):
        flagged = maps >= threshold
        overlaps = [
            flagged[i][box][labels[i][box] == region].mean()
            for i, found in enumerate(boxes)
            for region, box in enumerate(found, start=1)
        ]
        fpr.append((flagged & ~masks).sum() / (~masks).sum())
        pro.append(float(np.mean(overlaps)))
    grid = np.union1d(np.minimum(fpr, limit), [0.0, limit])
    heights = np.interp(grid, fpr, pro)
    return float(((heights[1:] + heights[:-1]) / 2) @ np.diff(grid) / limit)


def best_of(times: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Give the shortest time in seconds, and the result."""
    shortest, result = float("inf"), None
    for _ in range(times):
        started = time.perf_counter()
        result = function()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest, result


if __name__ == "__main__":
    main()
