"""Options of `export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("model", metavar="M.twin", help="the export goes into it, to exports/")
    verb.add_argument(
        "--to", required=True, metavar="RUNTIME", help="onnx, openvino, or tensorrt on an NVIDIA GPU"
    )
    verb.add_argument(
        "--precision",
        default="fp32",
        help="fp32; fp16: weights of 16 bits, half the file, and computed in bf16 by OpenVINO where the processor "
        "has it; or int8: networks in 8-bit integers, if that is as good (fp32)",
    )
    verb.add_argument(
        "--fixed-size",
        metavar="WxH",
        help="take only images of this size, one at a time: the fastest; default: any size",
    )
    verb.add_argument(
        "--check", metavar="DIR", help="images to check by; default: the good images kept with the model"
    )
    verb.add_argument(
        "--good",
        metavar="DATA",
        help="for int8: normal images to measure value ranges on, at most 200; a third is held out to test by",
    )
    verb.add_argument(
        "--labelled",
        metavar="DATA",
        help="for int8: a labelled data set on which AUROC and AUPRO may hardly fall; default: the same decisions, "
        "and nearly the same ranks, on good images held out and synthetic anomalies",
    )
    verb.add_argument(
        "--max-drop",
        type=float,
        default=0.003,
        metavar="X",
        help="with --labelled: most that a metric may fall (0.003, that is 0.3 points)",
    )
