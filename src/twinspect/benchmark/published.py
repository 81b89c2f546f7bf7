"""Published results for comparison with ours: a table in the package, every number with its source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class PublishedNumber:
    """One published number.

    Attributes:
        protocol: that it was measured by.
        method: as it is called in print.
        metric: a key of ``metrics.json``.
        category: what was tested; ``mean`` for the mean over all categories or classes.
        percent: the value, as printed.
        source: where it is printed.
        note: a remark; mostly empty.
    """

    protocol: str
    method: str
    metric: str
    category: str
    percent: float
    source: str
    note: str


def published(protocol: str) -> list[PublishedNumber]:
    """List the numbers published on a protocol, in the order of the table; none for most protocols."""
    return [number for number in all_published() if number.protocol == protocol]


def all_published() -> list[PublishedNumber]:
    """Read the whole table."""
    text = files("twinspect.benchmark").joinpath("published.csv").read_text(encoding="utf-8")
    return [_from_row(row) for row in csv.DictReader(text.splitlines())]


def _from_row(row: dict[str, str]) -> PublishedNumber:
    words = {key: value for key, value in row.items() if key != "percent"}
    return PublishedNumber(percent=float(row["percent"]), **words)
