"""From folders, manifests, lists and arrays to data sets: what each image is for, decided once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from twinspect.data import benchmarks
from twinspect.data.opening import DataSource, all_good, open_data
from twinspect.data.samples import GOOD, SPLITS, ClassSet, DataSet, Sample, Skipped, Split

if TYPE_CHECKING:
    from twinspect.data.benchmarks import (
        BTAD,
        CIFAR10,
        CIFAR100,
        DAGM,
        MNIST,
        MPDD,
        BrainMRI,
        FashionMNIST,
        HeadCT,
        KolektorSDD,
        KolektorSDD2,
        MagneticTile,
        MVTec3D,
        MVTecAD,
        MVTecLOCO,
        RealIAD,
        RetinalOCT,
        View,
        VisA,
    )
    from twinspect.data.benchmarks.download import download
    from twinspect.data.benchmarks.medical import medical_sets
    from twinspect.data.class_protocols import all_but_one, one_vs_rest

__all__ = [
    "BTAD",
    "CIFAR10",
    "CIFAR100",
    "DAGM",
    "GOOD",
    "MNIST",
    "MPDD",
    "SPLITS",
    "BrainMRI",
    "ClassSet",
    "DataSet",
    "DataSource",
    "FashionMNIST",
    "HeadCT",
    "KolektorSDD",
    "KolektorSDD2",
    "MVTec3D",
    "MVTecAD",
    "MVTecLOCO",
    "MagneticTile",
    "RealIAD",
    "RetinalOCT",
    "Sample",
    "Skipped",
    "Split",
    "View",
    "VisA",
    "all_but_one",
    "all_good",
    "benchmarks",
    "download",
    "medical_sets",
    "one_vs_rest",
    "open_data",
]


_HOMES = {
    "all_but_one": "twinspect.data.class_protocols",
    "download": "twinspect.data.benchmarks.download",
    "medical_sets": "twinspect.data.benchmarks.medical",
    "one_vs_rest": "twinspect.data.class_protocols",
}


def __getattr__(name: str) -> Any:
    """Import a benchmark's loader, or what fetches or divides one, when it is first used."""
    if name in benchmarks.HOMES:
        return getattr(benchmarks, name)
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
