"""The tables of the dual heterogeneous students (Park, Seo & Kim 2025, arXiv 2509.24448)."""

from __future__ import annotations

from typing import Final

from twinspect.benchmark.papers.paper_table import DINO, Arm, PaperTable

_PAPER: Final = "Park, Seo & Kim 2025"
_INDUSTRIAL: Final = ("mvtec", "loco", "visa", "real-iad")
_SEMANTIC: Final = ("cifar10", "cifar100", "fmnist", "view")
_ARMS: Final = (Arm("dual students", "dual", DINO, "dual students"),)
_METRICS: Final = ("image_auroc", "image_auroc_by_kind", "pixel_auroc", "aupro_30", "auspro_05")

DUAL_TABLES: Final = (
    PaperTable(
        "dual-singleclass",
        f"Single-class results of {_PAPER}",
        (*_INDUSTRIAL, *(f"{name}-ovr" for name in _SEMANTIC)),
        _ARMS,
        _METRICS,
    ),
    PaperTable(
        "dual-multiclass",
        f"Multi-class results of {_PAPER}",
        (*(f"{name}-multiclass" for name in _INDUSTRIAL), *(f"{name}-all-but-one" for name in _SEMANTIC)),
        _ARMS,
        _METRICS,
        ("RD", "RD (ADer)", "UniAD", "MambaAD", "Dinomaly", "ShortcutBreaker", "INP-Former"),
    ),
)
