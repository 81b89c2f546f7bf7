r"""Every table and figure of the papers by its command, on small sets, with tiny teachers and a few steps.

    python benchmarks/smoke_tables.py ../shared/data --out runs/smoke

It shows that every command does all that it would do on a GPU for days, and what it would write; the numbers mean
nothing. A few images of each set, linked into the MVTec layout, stand in for the public sets; the output of each
command is NAME.log in the folder, and times.csv has what each took.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import time
from pathlib import Path

import numpy as np

from twinspect.benchmark.papers.all_tables import PAPER_TABLES
from twinspect.cli import main as twinspect
from twinspect.cli.outcome import INTERRUPTED

STAND_INS = {
    "mvtec": "cookies",
    "visa": "deeppcb",
    "mvtec3d-rgb": "cookies",  # a third set with masks and defects as large as patches; its runs are shared
    "loco": "ballscrew",
    "real-iad": "aliens",
}
CLASS_SETS = {
    "mnist": "fashion_mnist.npz",
    "fmnist": "fashion_mnist.npz",
    "cifar10": "cifar10_subset.npz",
    "cifar100": "cifar10_subset.npz",
    "view": "cifar10_subset.npz",
}
TRAIN, TEST, CLASSES = 16, 6, 3
"""Images to train on of each set and class; to test, of each kind and class; classes."""
QUICKLY = ("--steps", "6", "--size", "64", "--seeds", "0", "--workers", "1")
TEACHERS = {"dual": ("--teacher", "test_vit", "--weights", "random")}
POCKET = ("--teacher", "pocket")


def main() -> None:
    """Run them all, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=list(PAPER_TABLES))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    named = stand_ins(options.data.resolve(), options.out / "data")
    rows = []
    for table in options.only:
        code, wall, processor = run(table, named, options.out)
        rows.append(
            {"table": table, "exit code": code, "seconds": round(wall), "CPU seconds": round(processor)}
        )
        print(rows[-1], flush=True)
        write(options.out / "times.csv", rows)
        if code == INTERRUPTED:
            break


def stand_ins(data: Path, out: Path) -> list[str]:
    """Link or cut a few images of each set into place, and name what stands for what."""
    for name in set(STAND_INS.values()):
        link(data / name, out / name)
    for name in set(CLASS_SETS.values()):
        cut(data / name, out / name)
    textures = [f"dtd={data / 'textures'}"] if (data / "textures").is_dir() else []
    return [*(f"{name}={out / where}" for name, where in (STAND_INS | CLASS_SETS).items()), *textures]


def link(source: Path, target: Path) -> None:
    """Link the first images of each kind, and all masks."""
    for folder in (path for path in source.rglob("*") if path.is_dir() and any(path.glob("*.*"))):
        relative = folder.relative_to(source)
        most = {"train": TRAIN, "test": TEST}.get(relative.parts[0])
        (target / relative).mkdir(parents=True, exist_ok=True)
        for file in sorted(path for path in folder.iterdir() if path.is_file())[:most]:
            if not (target / relative / file.name).exists():
                (target / relative / file.name).symlink_to(file)


def cut(source: Path, target: Path) -> None:
    """Keep the first images of the first classes."""
    with np.load(source, allow_pickle=False) as arrays:
        kept = {"classes": arrays["classes"][:CLASSES]}
        for split, most in (("train", TRAIN), ("test", TEST)):
            labels = arrays[f"y_{split}"]
            chosen = np.concatenate([np.flatnonzero(labels == number)[:most] for number in range(CLASSES)])
            kept |= {f"{kind}_{split}": arrays[f"{kind}_{split}"][chosen] for kind in "xy"}
    np.savez(target, **kept)


def run(table: str, named: list[str], out: Path) -> tuple[int, float, float]:
    """Run one command, and give its exit code and the seconds it took, by the clock and of the processor."""
    teacher = TEACHERS.get(table.partition("-")[0], POCKET)
    arguments = ["benchmark", table, "--data", *named, "--out", str(out / "runs"), *teacher, *QUICKLY]
    began, worked = time.perf_counter(), time.process_time()
    with (
        (out / f"{table}.log").open("w") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        print("$ twinspect", *arguments, flush=True)
        code = twinspect(arguments)
    return code, time.perf_counter() - began, time.process_time() - worked


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
