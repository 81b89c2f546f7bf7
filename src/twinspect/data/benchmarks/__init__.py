"""The public benchmarks, each from its official folder as unpacked; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from twinspect.data.benchmarks.catalogue import CATALOGUE, Benchmark

if TYPE_CHECKING:
    from twinspect.data.benchmarks.brain_mri import BrainMRI
    from twinspect.data.benchmarks.cifar import CIFAR10, CIFAR100
    from twinspect.data.benchmarks.dagm import DAGM
    from twinspect.data.benchmarks.head_ct import HeadCT
    from twinspect.data.benchmarks.kolektor import KolektorSDD, KolektorSDD2
    from twinspect.data.benchmarks.loco import MVTecLOCO
    from twinspect.data.benchmarks.magnetic_tile import MagneticTile
    from twinspect.data.benchmarks.mnist import MNIST, FashionMNIST
    from twinspect.data.benchmarks.mvtec3d import MVTec3D
    from twinspect.data.benchmarks.mvtec_layout import BTAD, MPDD, MVTecAD
    from twinspect.data.benchmarks.real_iad import RealIAD
    from twinspect.data.benchmarks.retinal_oct import RetinalOCT
    from twinspect.data.benchmarks.view import View
    from twinspect.data.benchmarks.visa import VisA

__all__ = [
    "BTAD",
    "CATALOGUE",
    "CIFAR10",
    "CIFAR100",
    "DAGM",
    "MNIST",
    "MPDD",
    "Benchmark",
    "BrainMRI",
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
    "View",
    "VisA",
]

HOMES = {
    "BTAD": "mvtec_layout",
    "BrainMRI": "brain_mri",
    "CIFAR10": "cifar",
    "CIFAR100": "cifar",
    "DAGM": "dagm",
    "FashionMNIST": "mnist",
    "HeadCT": "head_ct",
    "KolektorSDD": "kolektor",
    "KolektorSDD2": "kolektor",
    "MNIST": "mnist",
    "MPDD": "mvtec_layout",
    "MVTec3D": "mvtec3d",
    "MVTecAD": "mvtec_layout",
    "MVTecLOCO": "loco",
    "MagneticTile": "magnetic_tile",
    "RealIAD": "real_iad",
    "RetinalOCT": "retinal_oct",
    "View": "view",
    "VisA": "visa",
}
"""The file in which each loader lives."""


def __getattr__(name: str) -> Any:
    """Import a loader when it is first used."""
    if name in HOMES:
        return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
