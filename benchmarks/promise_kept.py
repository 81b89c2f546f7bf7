"""Whether the stated false-alarm rate is kept on real good images, for decisions and for regions alike.

    python benchmarks/promise_kept.py --data ../shared/data --out promise.jsonl [--sets cookies aliens] [--splits 10]

The good images of a set, those to learn from and those to test together, are halved at random; a detector (pocket
teacher, the default method) is fitted on one half as a user does, and scores the other. How many of these are
flagged, and how many show a region, follows a beta-binomial distribution, if all good images of the set are alike: of
n held-out images one sets the threshold. The table has the sums over the splits, what is expected of them at most,
and in how many splits a one-sided test at 5 % would reject the promise: about one of twenty by chance. Copies of an
image are in one half. A line of JSON each; a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

import twinspect as ts
from dirty_training import once
from twinspect.data.fingerprint import content_digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import DataSet, Sample

LEVEL = 0.05


def main() -> None:
    """Fit what has not been fitted yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a fit")
    parser.add_argument("--sets", nargs="+", default=["cookies", "aliens", "brain_mri", "ballscrew"])
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    rows = defaultdict(list)
    for seed in range(options.splits):
        for name in options.sets:
            data = ts.data.open_data(options.data / name)
            rows[name].append(once(options.out, {"set": name, "split": seed}, fit_half, data, seed))
    for name, of_set in rows.items():
        print(name, json.dumps(summarise(of_set)))


def fit_half(data: DataSet, seed: int) -> dict[str, Any]:
    """Fit on one half of the good images and score the other."""
    good = unique([sample for sample in data if sample.is_good])
    order = np.random.default_rng(seed).permutation(len(good))
    first, second = ([good[number] for number in sorted(part)] for part in np.array_split(order, 2))
    detector = ts.Detector(teacher="pocket", seed=seed, device="cpu").fit(
        [str(sample.path) for sample in first]
    )
    scores = detector.score([str(sample.path) for sample in second])
    calibration = detector.calibration_
    return {
        "held_out": len(calibration.scores),
        "rate": calibration.false_alarm_rate,
        "scored": len(second),
        "flagged": int(scores.is_anomalous.sum()),
        "with_regions": sum(map(bool, scores.regions or ())),
    }


def unique(samples: Sequence[Sample]) -> list[Sample]:
    """Leave out copies of files."""
    return list(dict(zip(content_digests(samples), samples, strict=True)).values())


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compare the counts of all splits with what is promised."""
    summary: dict[str, Any] = {"splits": len(rows), "scored": sum(row["scored"] for row in rows)}
    summary["promised_at_most"] = round(sum(row["scored"] * row["rate"] for row in rows), 1)
    for what in ("flagged", "with_regions"):
        summary[what] = sum(row[what] for row in rows)
        summary[f"{what}_rejected"] = sum(p_value(row, row[what]) < LEVEL for row in rows)
    return summary


def p_value(row: dict[str, Any], count: int) -> float:
    """Compute the probability of so many among good images that are as the held-out ones."""
    ranks = round(row["rate"] * (row["held_out"] + 1))
    return float(stats.betabinom.sf(count - 1, row["scored"], ranks, row["held_out"] + 1 - ranks))


if __name__ == "__main__":
    main()
