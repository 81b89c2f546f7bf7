"""The tables of MKD (Salehi et al., CVPR 2021, arXiv 2011.11108)."""

from __future__ import annotations

from typing import Final

from twinspect.benchmark.papers.paper_table import VGG, Arm, PaperTable

_PAPER: Final = "Salehi et al., CVPR 2021"


def _classes(name: str, title: str, preset: str) -> PaperTable:
    return PaperTable(
        f"mkd-{name}",
        f"{title} of {_PAPER}: one class against the rest",
        (f"{name}-ovr",),
        (Arm("MKD", "mkd", VGG, "MKD", preset),),
        ("image_auroc",),
        by_category=True,
    )


def _located(by: str, label: str) -> Arm:
    return Arm(label, "mkd", VGG, settings={"localization": by})


MKD_TABLES: Final = (
    _classes("mnist", "MNIST", "mnist"),
    _classes("fmnist", "Fashion-MNIST", "mnist"),
    _classes("cifar10", "CIFAR-10", "cifar10"),
    PaperTable(
        "mkd-mvtec",
        f"MVTec AD of {_PAPER}",
        ("mvtec",),
        (Arm("MKD", "mkd", VGG, "MKD"),),
        ("image_auroc", "pixel_auroc"),
        by_category=True,
    ),
    PaperTable(
        "mkd-localisation",
        f"Localisation on MVTec AD of {_PAPER}: the three attributions",
        ("mvtec",),
        (
            _located("gradient", "gradient"),
            _located("smoothgrad", "SmoothGrad"),
            _located("guided", "guided back-propagation"),
        ),
        ("pixel_auroc",),
        ("MKD",),
        note="The three differ in their maps alone. Of the printed pixel AUROC it is not known here which it is of.",
    ),
)
