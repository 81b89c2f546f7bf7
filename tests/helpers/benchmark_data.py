"""Tiny data and a short command for the tests of benchmarks."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from drawn_parts import blemish, stripes, write_image

if TYPE_CHECKING:
    from pathlib import Path

QUICKLY = (
    *("--teacher", "test_efficientnet", "--weights", "random", "--size", "32", "--precision", "fp32"),
    *("--device", "cpu", "--workers", "1"),
)


def write_category(folder: Path, first: int, good: int = 5, tests: int = 3) -> Path:
    """A category in MVTec layout, with masks."""
    mask = np.zeros((48, 48), np.uint8)
    mask[8:20, 28:40] = 255
    for number in range(good):
        write_image(folder / "train" / "good" / f"{number}.png", stripes(first + number))
    for number in range(tests):
        write_image(folder / "test" / "good" / f"{number}.png", stripes(first + 50 + number))
        write_image(folder / "test" / "square" / f"{number}.png", blemish(stripes(first + 70 + number)))
        write_image(folder / "ground_truth" / "square" / f"{number}_mask.png", mask)
    return folder


def command(data: Path, out: Path, *more: object, steps: int = 2, protocol: str = "folder") -> list[str]:
    """The arguments of a quick benchmark."""
    given = ("benchmark", protocol, "--data", data, "--out", out, "--steps", steps, *QUICKLY, *more)
    return [str(each) for each in given]


def ask(out: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the file of runs in plain SQL."""
    connection = sqlite3.connect(out / "runs.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def metrics(out: Path) -> list[tuple[Any, ...]]:
    """Every number of every run, without what differs from time to time."""
    return ask(
        out,
        "select task, method, seed, scope, category, metric, value from runs join metrics on run = key "
        "order by 1, 2, 3, 4, 5, 6",
    )


def step_of(file: Path) -> int:
    """How many steps a checkpoint has behind it."""
    try:
        with safe_open(file, framework="pt") as checkpoint:
            return int(json.loads(checkpoint.metadata()["state"])["step"])
    except (SafetensorError, OSError):  # replaced while it was looked at
        return 0
