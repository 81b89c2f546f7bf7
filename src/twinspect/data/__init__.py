"""From folders, manifests, lists and arrays to data sets: what each image is for, decided once."""

from __future__ import annotations

from twinspect.data.classes import all_but_one, one_vs_rest
from twinspect.data.opening import DataSource, open_data
from twinspect.data.samples import GOOD, SPLITS, DataSet, Sample, Skipped, Split

__all__ = [
    "GOOD",
    "SPLITS",
    "DataSet",
    "DataSource",
    "Sample",
    "Skipped",
    "Split",
    "all_but_one",
    "one_vs_rest",
    "open_data",
]
