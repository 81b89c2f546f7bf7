"""Published results to stand beside ours: a table that comes with the package, every number with its source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        protocol: which protocol it was measured by.
        method: as it is called in print.
        metric: a key of ``metrics.json``.
        category: what was tested; ``mean`` for the mean over all categories or classes.
        percent: the value, as printed.
        source: where it is printed.
        note: what else is to be known of it; mostly empty.
    """

    protocol: str
    method: str
    metric: str
    category: str
    percent: float
    source: str
    note: str


def published(protocol: str) -> list[Published]:
    """List what was published on a protocol, in the order of the table; nothing for most folders."""
    return [each for each in everything() if each.protocol == protocol]


def everything() -> list[Published]:
    """Read the whole table."""
    text = files("twinspect.benchmark").joinpath("published.csv").read_text(encoding="utf-8")
    return [_from_row(row) for row in csv.DictReader(text.splitlines())]


def _from_row(row: dict[str, str]) -> Published:
    words = {key: value for key, value in row.items() if key != "percent"}
    return Published(percent=float(row["percent"]), **words)
