"""Time and memory of the metrics, each beside a plain way of computing the same in the same run.

python benchmarks/metrics.py            about 2 minutes
python benchmarks/metrics.py --maps 400 --size 512
python benchmarks/metrics.py --only memory --many 10000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from twinspect.evaluation.labelled_set import EXACT_PIXELS
from twinspect.metrics import (
    PixelAccumulator,
    SaturatedAccumulator,
    SaturatedRegion,
    aupro,
    auroc,
    auroc_interval,
    compare_aurocs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

REGIONS_PER_MAP = 3
ANOMALOUS = 100
"""maps with regions among the many of the memory measurement; the others are good"""
MEMORY_LIMIT = 1500
"""MB of resident memory that the metrics of 10 000 maps of 256 x 256 may take"""


def main() -> None:
    """Run every measurement and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scores", type=int, default=1_000_000, help="image scores to rank")
    parser.add_argument("--maps", type=int, default=100, help="anomaly maps")
    parser.add_argument("--size", type=int, default=256, help="side of a map in pixels, 32 or more")
    parser.add_argument("--many", type=int, default=10_000, help="maps whose peak memory is measured")
    parser.add_argument(
        "--only", choices=("auroc", "delong", "aupro", "streaming", "memory"), help="measure just this"
    )
    parser.add_argument("--fill", help=argparse.SUPPRESS)  # the subprocess of the memory measurement
    arguments = parser.parse_args()
    if arguments.fill:
        print(json.dumps(FILLS[arguments.fill](arguments.many, arguments.size)))
        return
    measures: dict[str, Callable[[], None]] = {
        "auroc": lambda: measure_auroc(arguments.scores),
        "delong": lambda: measure_delong(arguments.scores),
        "aupro": lambda: measure_aupro(arguments.maps, arguments.size),
        "streaming": lambda: measure_streaming(arguments.maps, arguments.size),
        "memory": lambda: measure_memory(arguments.many, arguments.size),
    }
    for name, measure in measures.items():
        if arguments.only in (None, name):
            measure()


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


def measure_delong(n: int) -> None:
    """Print the time of DeLong's interval and paired test, and how far 2000 scores are from all pairs."""
    rng = np.random.default_rng(0)
    labels = rng.random(n) < 0.5
    a, b = rng.normal(size=n) + labels + rng.normal(size=(2, n))
    interval, _ = best_of(3, lambda: auroc_interval(labels, a))
    test, _ = best_of(3, lambda: compare_aurocs(labels, a, b))
    few = slice(2000)
    off = abs(auroc_interval(labels[few], a[few]).standard_error - pairwise_error(labels[few], a[few]))
    print(
        f"DeLong of {n:,} scores: interval {interval:.3f} s, paired test {test:.3f} s; "
        f"standard error of 2000 off from all pairs by {off:.1e}"
    )


def pairwise_error(labels: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Compute DeLong's standard error from every pair."""
    wins = scores[labels][:, None] > scores[~labels]
    parts = [wins.mean(axis).var(ddof=1) / wins.shape[1 - axis] for axis in (0, 1)]
    return float(np.sqrt(sum(parts)))


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


def measure_memory(n: int, size: int) -> None:
    """Print time, peak resident memory and error bounds of n maps, each way in a process of its own."""
    for name in FILLS:
        command = [sys.executable, __file__, "--fill", name, "--many", str(n), "--size", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        verdict = "within" if found["peak"] <= MEMORY_LIMIT else "OVER"
        bounds = ", ".join(f"{key} +- {bound:.1e}" for key, bound in found["bounds"].items())
        print(
            f"memory, {name}, {found['maps']} maps {size}x{size}, {found['regions']} regions: "
            f"{found['seconds']:.1f} s; peak {found['peak']:.0f} MB ({found['start']:.0f} MB before the first map), "
            f"{verdict} {MEMORY_LIMIT} MB; {bounds}"
        )


def fill_one(n: int, size: int) -> dict[str, Any]:
    """Gather n maps in one accumulator with its default settings."""
    return _filled(n, size, 1)


def fill_held(n: int, size: int) -> dict[str, Any]:
    """Gather as many maps as are held exactly."""
    return _filled(min(n, EXACT_PIXELS // size**2), size, 1)


def fill_fifteen(n: int, size: int) -> dict[str, Any]:
    """Gather n maps of 15 categories, as an evaluation does."""
    return _filled(n, size, 15)


def fill_fifteen_held(n: int, size: int) -> dict[str, Any]:
    """Gather as many maps of 15 categories as are held exactly."""
    return _filled(min(n, EXACT_PIXELS // size**2 // 15 * 15), size, 15)


def fill_saturated(n: int, size: int) -> dict[str, Any]:
    """Gather n maps for saturated PRO, every region saturated by half of it."""
    start, began = peak_memory(), time.perf_counter()
    pixels = SaturatedAccumulator()
    for mask, score_map in many(n, size):
        regions = [] if mask is None else [SaturatedRegion(mask, 0.5, relative=True)]
        pixels.add(regions, score_map)
    found = pixels.compute()
    pixels.curve()
    bounds = {f"auspro {limit}": bound for limit, bound in found.error_bound.items()}
    return _record(n, found.n_regions, start, began, bounds)


FILLS = {
    "one": fill_one,
    "held": fill_held,
    "fifteen": fill_fifteen,
    "fifteen-held": fill_fifteen_held,
    "saturated": fill_saturated,
}


def _filled(n: int, size: int, categories: int) -> dict[str, Any]:
    start, began = peak_memory(), time.perf_counter()
    parts = [PixelAccumulator(EXACT_PIXELS // categories) for _ in range(categories)]
    for i, (mask, score_map) in enumerate(many(n, size)):
        parts[i % categories].add(mask, score_map)
    for part in parts:
        part.compute()
    total = parts.pop()
    if parts:
        total.exact_up_to = EXACT_PIXELS
    while parts:
        total.merge(parts.pop())
    found = total.compute()
    total.curves()
    return _record(n, found.n_regions, start, began, vars(found.error_bound))


def _record(maps: int, regions: int, start: float, began: float, bounds: dict[str, float]) -> dict[str, Any]:
    seconds = time.perf_counter() - began
    return {
        "maps": maps,
        "regions": regions,
        "seconds": seconds,
        "start": start,
        "peak": peak_memory(),
        "bounds": bounds,
    }


def peak_memory() -> float:
    """Give the most resident memory of this process so far, in MB of 2**20 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def many(n: int, size: int) -> Iterator[tuple[NDArray[np.bool_] | None, NDArray[np.float32]]]:
    """Yield maps that cost no time: windows of one noise image; regions in the first ones, no mask in the others."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(2 * size, 2 * size)).astype(np.float32)
    masked = [mask for mask, _ in images(ANOMALOUS, size)]
    for i in range(n):
        top, left = rng.integers(0, size, 2)
        score_map = noise[top : top + size, left : left + size] * np.float32(rng.uniform(0.9, 1.1))
        mask = masked[i] if i < ANOMALOUS else None
        yield mask, score_map if mask is None else score_map + mask.astype(np.float32)


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
