"""How many good images a model needs: image AUROC after 1, 2, 4, 8 or 16 of them, and the rate that each promises.

The images are the first of a random order, so that fewer are part of more. Each is calibrated on (cross-conformal;
a single one by its copies), and the model that is measured learnt from all. Of more test images than ``--most`` of a
kind, good or defective, as many are drawn, always the same. One line of JSON a run; what is there is not run again.

    python benchmarks/few_images.py DIR --out few.jsonl [--sets cookies,aliens] [--methods hybrid,padim]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import twinspect as ts
from twinspect.data import open_data

if TYPE_CHECKING:
    from twinspect.data.samples import DataSet

FOLDERS = ("cookies", "aliens", "brain_mri", "deeppcb", "ballscrew")
COUNTS = (1, 2, 4, 8, 16)
METHODS = (
    "hybrid",
    "patchcore",
    "patchcore:coreset=1",
    "patchcore:preset=anomalydino:size=256",
    "patchcore:preset=anomalydino:size=256:foreground=off",
)


def measure(root: Path, name: str, method: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fit on so many images and evaluate on all test images."""
    train = open_data(root / name, split="train")
    good = train.split("train")
    order = np.random.default_rng(options.seed).permutation(len(good))[:count]
    few = train.with_samples([good[index] for index in sorted(order)])
    settings = {key: read(value) for key, _, value in (pair.partition("=") for pair in method.split(":")[1:])}
    began = time.monotonic()
    detector = ts.Detector(
        method.partition(":")[0],
        teacher=options.teacher,
        weights=options.weights,
        calibration="cv" if count > 1 else "split",
        seed=options.seed,
        device="cpu",
        **settings,
    ).fit(few)
    seconds = time.monotonic() - began
    test = draw(open_data(root / name, split="test"), options.most)
    pooled = ts.evaluate(detector, test).pooled
    return {
        "image_auroc": pooled["image_auroc"],
        "aupro": pooled.get("aupro_30"),
        "miss_rate": pooled["miss_rate"],
        "observed_rate": pooled["false_alarm_rate"],
        "promised_rate": detector.calibration_.false_alarm_rate,
        "seconds": round(seconds, 1),
    }


def read(value: str) -> Any:
    """Read a setting: a number, on or off, or a name."""
    if value in ("on", "off"):
        return value == "on"
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        return value


def draw(test: DataSet, most: int) -> DataSet:
    """Draw at most so many good and as many defective test images."""
    kept = []
    for is_good in (True, False):
        kind = [sample for sample in test.split("test") if sample.is_good is is_good]
        chosen = np.random.default_rng(0).permutation(len(kind))[:most]
        kept += [kind[index] for index in sorted(chosen)]
    return test.with_samples(kept)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="the folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="one line a run")
    parser.add_argument("--sets", default=",".join(FOLDERS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--teacher", default="pocket")
    parser.add_argument("--weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=30)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {json.dumps(json.loads(line)["run"]) for line in lines}
    for count in map(int, options.counts.split(",")):
        for method in options.methods.split(","):
            for name in options.sets.split(","):
                run = [name, method, count, options.teacher, options.seed]
                if json.dumps(run) not in done:
                    result = measure(options.root, name, method, count, options)
                    with options.out.open("a") as file:
                        print(json.dumps({"run": run, **result}), file=file, flush=True)


if __name__ == "__main__":
    main()
