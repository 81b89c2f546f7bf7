"""The tables and figures of AAND (Tang et al., IEEE TIP 2026, arXiv 2405.02068)."""

from __future__ import annotations

from typing import Final

from twinspect.benchmark.papers.paper_table import DINO, VGG, WIDE_RESNET, Arm, PaperTable

_PAPER: Final = "Tang et al., IEEE TIP 2026"
_SETS: Final = ("mvtec", "visa", "mvtec3d-rgb")
_ALL_METRICS: Final = ("image_auroc", "pixel_auroc", "aupro_30_per_image", "aupro_30")
_DETECTION_AND_PRO: Final = ("image_auroc", "aupro_30_per_image", "aupro_30")
_PRO_NOTE: Final = (
    "The printed PRO of RD and AAND is that by image (PRO per image); AUPRO 0.3 is MVTec AD's own definition. "
    "That of the other methods is as their sources define it."
)
_MEMORY_SIZES: Final = (10, 25, 50, 75, 100)
_HARD_PATCHES: Final = (0, 5, 10, 20, 50)

_RD: Final = Arm("RD", "rd", WIDE_RESNET, "RD")
_AAND: Final = Arm("AAND", "aand", WIDE_RESNET, "AAND")


def _variant(label: str, published: str = "", preset: str = "paper", **settings: object) -> Arm:
    return Arm(label, "aand", WIDE_RESNET, published, preset, settings)


AAND_TABLES: Final = (
    PaperTable(
        "aand-table-1",
        f"Table I of {_PAPER}: the teacher of reverse distillation",
        ("visa",),
        (
            Arm(
                "random teacher",
                "aand",
                WIDE_RESNET,
                "AAND (random teacher)",
                "paper,base",
                weights="random",
            ),
            _variant("pre-trained teacher (RD)", "RD", "paper,base"),
            _variant("advanced teacher", "AAND (MRG and ARG)", "paper,raa"),
        ),
        ("image_auroc",),
        note="All three students are trained alike, as stage II of AAND; RD with its own settings is in table II.",
    ),
    PaperTable(
        "aand-table-2",
        f"Table II of {_PAPER}: single-class detection and localisation",
        _SETS,
        (
            _RD,
            _AAND,
            Arm("MKD", "mkd", VGG, "MKD"),
            Arm("dual students", "dual", DINO),
        ),
        _ALL_METRICS,
        ("DRAEM", "PaDiM", "PatchCore", "CFlow", "SimpleNet", "FOD", "ST", "RD++", "DeSTSeg"),
        note=f"{_PRO_NOTE} MKD and the dual students are not in the printed table; MKD's numbers are from its own.",
    ),
    PaperTable(
        "aand-table-3",
        f"AAND by category on VisA (table III as numbered here) of {_PAPER}",
        ("visa",),
        (_AAND,),
        ("image_auroc",),
        by_category=True,
    ),
    PaperTable(
        "aand-table-4",
        f"AAND by category on MVTec 3D-AD, colour images (table IV as numbered here) of {_PAPER}",
        ("mvtec3d-rgb",),
        (_AAND,),
        ("image_auroc",),
        by_category=True,
    ),
    PaperTable(
        "aand-table-5",
        f"Table V of {_PAPER}: ablation of gate, generator and hard patches",
        _SETS,
        (
            _variant("base (RD)", "RD", "paper,base"),
            _variant("a: MRG only", "AAND (MRG only)", "paper,mrg"),
            _variant("b: ARG only", "AAND (ARG only)", "paper,arg"),
            _variant("c: MRG and ARG", "AAND (MRG and ARG)", "paper,raa"),
            _variant("d: HKD only", "AAND (HKD only)", "paper,hkd"),
            _variant("e: all", "AAND"),
        ),
        _ALL_METRICS,
        note=_PRO_NOTE,
    ),
    PaperTable(
        "aand-table-6",
        f"Table VI of {_PAPER}: ways to advance the teacher",
        _SETS,
        (
            _variant("a: contrastive stage I", "AAND (contrastive stage I)", "paper,contrastive"),
            _variant("b: noise and classifier of SimpleNet", "SimpleNet", "paper,simplenet"),
            _variant("c: MRG score alone", "AAND (MRG score alone)", "paper,mrg"),
            _variant("d: AAND", "AAND"),
        ),
        _DETECTION_AND_PRO,
        note=_PRO_NOTE,
    ),
    PaperTable(
        "aand-table-7",
        f"Table VII of {_PAPER}: the residual",
        _SETS,
        (
            _variant("a: learnable", "AAND (residual without a scale)", residual="learnable"),
            _variant("b: sigmoid", "AAND (sigmoid residual)", residual="sigmoid"),
            _variant("c: tanh", "AAND"),
        ),
        _DETECTION_AND_PRO,
        note=_PRO_NOTE,
    ),
    PaperTable(
        "aand-table-8",
        f"Table VIII of {_PAPER}: size, time of one image, and accuracy",
        ("mvtec3d-rgb",),
        (_RD, _AAND),
        _ALL_METRICS,
        ("RD++",),
        costs={
            "RD": {"batch1_seconds": 24, "parameters": 161.08},
            "AAND": {"batch1_seconds": 27, "parameters": 170.45},
            "RD++": {"batch1_seconds": 27, "parameters": 176.57},
        },
        note=(
            f"{_PRO_NOTE} The printed parameters hold parts that score nothing, which ours leave out: the teacher's "
            "last stage (41.97 M) and classifier (2.05 M), and a layer of the embedding (8.39 M). Printed times are "
            "those of the authors' GPU."
        ),
    ),
    PaperTable(
        "aand-figure-6",
        f"Figure 6 of {_PAPER}: patches by their features (t-SNE), vanilla and advanced teacher",
        ("visa", "mvtec3d-rgb"),
        (_AAND,),
        ("image_auroc",),
        by_category=True,
        categories={"visa": ("candle", "macaroni2"), "mvtec3d-rgb": ("bagel", "foam")},
        drawing="patches",
    ),
    PaperTable(
        "aand-figure-7",
        f"Figure 7 of {_PAPER}: image AUROC along the memory items and the hard patches",
        ("mvtec", "visa"),
        (
            *(
                Arm(f"L = {n}", "aand", WIDE_RESNET, settings={"memory": n}, curve=("memory items L", n))
                for n in _MEMORY_SIZES
            ),
            *(
                Arm(
                    f"K_h = {n}",
                    "aand",
                    WIDE_RESNET,
                    settings={"hard_patches": n},
                    curve=("hard patches K_h", n),
                )
                for n in _HARD_PATCHES
            ),
        ),
        ("image_auroc",),
        drawing="curves",
        note="The paper draws these curves without values: L is best at 50, K_h at 10 and worst at 0. Which L and "
        "K_h are tried here is ours.",
    ),
    PaperTable(
        "aand-figure-8",
        f"Figure 8 of {_PAPER}: intensity of the residuals along stage I",
        ("mvtec",),
        (_AAND,),
        ("image_auroc",),
        drawing="residuals",
        note="The intensity is (1/(N C)) times the sum over N patches and C channels of the squared residual, "
        "averaged over the levels; patches are those of held-out training images with synthetic anomalies.",
    ),
)
