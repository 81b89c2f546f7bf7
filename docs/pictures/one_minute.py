"""Draw the chart of the README from the table of docs/measured.md: what a minute of training buys, method by method.

python docs/pictures/one_minute.py docs/pictures/one_minute.svg
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

MEASURED = Path(__file__).parents[1] / "measured.md"
SHOWN = ("twinspect, no method named", "rd", "patchcore", "stfpm", "padim")
"""Of ours; of anomalib every method that finished."""
OURS, THEIRS = "#0b7285", "#adb5bd"


class Row(NamedTuple):
    """A method's means over the sets, in percent."""

    name: str
    auroc: float
    aupro: float


def rows() -> list[Row]:
    """Read the table, the best image AUROC first."""
    lines = MEASURED.read_text(encoding="utf-8").split("\n| method | cookies |", 1)[1].splitlines()[2:]
    table = [_row(line) for line in lines[: lines.index("")]]
    return sorted((row for row in table if row and _shown(row.name)), key=lambda row: row.auroc)


def _row(line: str) -> Row | None:
    name, *_, mean, _, _ = (cell.strip(" *") for cell in line.strip("|").split("|"))
    found = re.findall(r"\d+\.\d", mean)
    name = re.sub(r"[*`¹²³⁴⁵]|, three seeds", "", name).strip()
    return Row(name, float(found[0]), float(found[2])) if len(found) == 3 else None


def _shown(name: str) -> bool:
    return name.startswith("anomalib") or name.removeprefix("twinspect ").split(" (")[0] in SHOWN


def draw(out: Path) -> None:
    """Draw horizontal bars: image AUROC in full colour, AUPRO beside it in a paler one."""
    mpl.rcParams.update({"svg.hashsalt": "twinspect", "svg.fonttype": "none", "font.family": "sans-serif"})
    table = rows()
    figure, axes = plt.subplots(figsize=(7.6, 0.46 * len(table) + 0.9))
    for at, row in enumerate(table):
        colour = THEIRS if row.name.startswith("anomalib") else OURS
        for value, offset, alpha in ((row.auroc, 0.19, 1.0), (row.aupro, -0.19, 0.45)):
            axes.barh(at + offset, value - 50, left=50, height=0.36, color=colour, alpha=alpha)
            axes.text(value + 0.4, at + offset, f"{value:.1f}", va="center", fontsize=8)
    axes.set_yticks(
        range(len(table)), [row.name.replace(", no method named (hybrid)", " (default)") for row in table]
    )
    axes.set_xlim(50, 95)
    axes.set_xlabel(
        "mean over five data sets, %: image AUROC (full), AUPRO 0.3 where there are masks (pale)", fontsize=8
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
