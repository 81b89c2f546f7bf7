"""Errors of methods where cameras, lamps and parts change a little, and what learning from changed copies is worth.

    python benchmarks/shifts.py DIR --out shifts.jsonl [--sets aliens,cookies] [--methods hybrid,rd:steps=60:size=128]
        [--augment none,lighting,shift,lighting+shift]
    python benchmarks/shifts.py DIR --out shifts.jsonl --table

Each method is fitted with the pocket teacher and seed 0; evenly spaced test images, good and defective, are scored as
they are and under every change of `twinspect evaluate --shifts`. One line of JSON a run; what is there is not run
again. `--table` prints the mean over the sets: percent of false alarms / percent of misses / image AUROC, images that
were called not inspectable counting as neither.
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
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from twinspect.data import DataSet

SETS = "aliens,cookies,ballscrew"
SHORT = ":steps=40:size=128:batch_size=8"
METHODS = ",".join(
    (
        *("hybrid", "patchcore", "padim", f"aand{SHORT}:amplify_steps=40"),
        *(name + SHORT for name in ("stfpm", "rd", "mkd", "dual", "rdpp", "destseg")),
    )
)
Row = dict[str, Any]


def few(data: DataSet, train: int, test: int) -> DataSet:
    """Keep at most so many training images, and so many good and so many defective test images."""
    good = [sample for sample in data if sample.split != "test" and sample.is_good]
    tested = [[s for s in data if s.split == "test" and s.is_good == is_good] for is_good in (True, False)]
    chosen = evenly_spaced(good, train) + [s for part in tested for s in evenly_spaced(part, test)]
    return data.with_samples(chosen)


def measure(root: Path, name: str, method: str, augment: str, options: argparse.Namespace) -> Row:
    """Fit once and evaluate under every change."""
    data = few(open_data(root / name), options.train, options.test)
    method_name, *pairs = method.split(":")
    settings = {
        key: int(value) if value.isdigit() else value
        for key, _, value in (pair.partition("=") for pair in pairs)
    }
    began = time.process_time()
    detector = ts.Detector(
        method_name,
        teacher="pocket",
        augment=None if augment == "none" else augment.replace("+", ","),
        device="cpu",
        **settings,
    ).fit(data)
    seconds = time.process_time() - began
    evaluation = ts.evaluate(detector, data, shifts=True)
    return {
        "aupro": evaluation.pooled.get("aupro_30"),
        "fit_seconds": round(seconds, 1),
        "seconds": round(time.process_time() - began, 1),
        "shifts": [result.to_record() for result in evaluation.shifts],
    }


def print_table(rows: list[Row]) -> None:
    """Print the mean over the sets for each method and augmentation, a column each."""
    columns: dict[str, list[list[Row]]] = {}
    sets: dict[str, list[str]] = {}
    for row in rows:
        name, method, augment = row["run"][:3]
        label = method.partition(":")[0] + ("" if augment == "none" else f" + {augment.replace('+', ' + ')}")
        columns.setdefault(label, []).append(row["shifts"])
        sets.setdefault(label, []).append(name)
    print(f"| shift | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    print(f"| sets | {' | '.join(', '.join(sets[label]) for label in columns)} |")
    first = next(iter(columns.values()))[0]
    for number, shift in enumerate(first):
        cells = [mean_cell([results[number] for results in column]) for column in columns.values()]
        print(f"| {shift['shift']} | {' | '.join(cells)} |")


def mean_cell(results: list[Row]) -> str:
    """Average one change over the sets."""
    rates = [
        [result[errors] / result[kind] for result in results if result[kind]]
        for errors, kind in (("false_alarms", "good"), ("misses", "defective"))
    ]
    auroc = 100 * np.mean([result["image_auroc"] for result in results])
    return " / ".join([*(f"{100 * np.mean(rate):.0f}" if rate else "–" for rate in rates), f"{auroc:.1f}"])


def main() -> None:
    """Run what is missing, or print what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="the folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="one line a run")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--augment", default="none")
    parser.add_argument("--train", type=int, default=60, help="training images, at most (60)")
    parser.add_argument("--test", type=int, default=20, help="test images, good and defective each (20)")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = list(map(json.loads, options.out.read_text().splitlines())) if options.out.exists() else []
    if options.table:
        print_table(rows)
        return
    done = [row["run"] for row in rows]
    for name in options.sets.split(","):
        for method in options.methods.split(","):
            for augment in options.augment.split(","):
                run = [name, method, augment, options.train, options.test]
                if run not in done:
                    result = measure(options.root, name, method, augment, options)
                    with options.out.open("a") as file:
                        print(json.dumps({"run": run, **result}), file=file, flush=True)


if __name__ == "__main__":
    main()
