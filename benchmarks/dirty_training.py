"""How well defects among the training images are found, and what leaving out the suspects is worth.

    python benchmarks/dirty_training.py --data ../shared/data --out dirty.jsonl [--sets cookies aliens] [--no-fits]

Defective test images make up 0, 5, 10 and 20 % of the training images, labelled as good, and are not tested then. For
each set and share: precision and recall of the suspects and the processor time that finding them took; image AUROC,
false alarms and misses of a detector (pocket teacher; the default method or another), fitted with and without them.
A row of JSON each; a run that was interrupted goes on with what is missing.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import twinspect as ts
from twinspect.evaluation.shifts import UNCHANGED, ShiftResult
from twinspect.evaluation.suspects import find_suspects

if TYPE_CHECKING:
    from twinspect.data.samples import DataSet

SHARES = (0.0, 0.05, 0.1, 0.2)


def main() -> None:
    """Run what has not been run yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a result")
    parser.add_argument("--sets", nargs="+", default=["cookies", "aliens", "ballscrew"])
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--method", default="auto", help="what is fitted (auto)")
    parser.add_argument(
        "--size", type=int, help="side of the images that it is fitted on; default: the method's"
    )
    parser.add_argument("--no-fits", action="store_true", help="only look for the suspects")
    options = parser.parse_args()
    for name in options.sets:
        for share in options.shares:
            dirty, mixed = contaminate(ts.data.open_data(options.data / name), share)
            found = once(options.out, {"set": name, "share": share, "what": "suspects"}, look, dirty, mixed)
            if options.no_fits:
                continue
            without = dirty.with_samples([s for s in dirty if s.name not in set(found["suspects"])])
            for what, data in (("all", dirty), ("without suspects", without)):
                key = {"set": name, "share": share, "what": what, "method": options.method}
                once(options.out, key, fit, data, options)


def contaminate(data: DataSet, share: float) -> tuple[DataSet, set[str]]:
    """Move defective test images among the good training images until they make up a share of them."""
    good = [sample for sample in data if sample.split == "train" and sample.is_good]
    defective = [sample for sample in data if sample.split == "test" and not sample.is_good]
    count = round(len(good) * share / (1 - share))
    chosen = np.random.default_rng(0).permutation(len(defective))[:count]
    mixed = {defective[number].name for number in chosen}
    samples = [
        replace(sample, split="train", label="good", mask=None, further_masks=())
        if sample.name in mixed
        else sample
        for sample in data
    ]
    return data.with_samples(samples), mixed


def look(data: DataSet, mixed: set[str]) -> dict[str, Any]:
    """Find the suspects."""
    began = time.process_time()
    found = find_suspects([sample for sample in data if sample.split == "train"])
    hits = len(mixed & set(found.names))
    return {
        "images": found.images,
        "defective": len(mixed),
        "suspects": list(found.names),
        "hits": hits,
        "precision": hits / len(found.names) if found.names else None,
        "recall": hits / len(mixed) if mixed else None,
        "near_duplicates": len(found.duplicates),
        "processor_seconds": round(time.process_time() - began, 2),
    }


def fit(data: DataSet, options: argparse.Namespace) -> dict[str, Any]:
    """Fit a detector and test it."""
    began = time.process_time()
    detector = ts.Detector(options.method, teacher="pocket", size=options.size, seed=0, device="cpu").fit(
        data
    )
    seconds = time.process_time() - began
    result = ShiftResult.of(UNCHANGED, ts.evaluate(detector, data).rows).to_record()
    return {key: result[key] for key in ("image_auroc", "false_alarms", "good", "misses", "defective")} | {
        "processor_seconds": round(seconds, 1)
    }


def once(out: Path, key: dict[str, Any], work: Any, *arguments: Any) -> dict[str, Any]:
    """Return a result that is there, or compute it and add it."""
    lines = out.read_text().splitlines() if out.exists() else []
    for row in map(json.loads, lines):
        if row.items() >= key.items():
            return row
    row = key | work(*arguments)
    with out.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
