"""Options of `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    class_options,
    input_size,
    mention_decode_limits,
    run_options,
    threads_option,
    tile_options,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    mention_decode_limits(verb)
    verb.add_argument(
        "data", metavar="DATA", help="as for `fit`; labelled test images in it rank the candidates"
    )
    verb.add_argument(
        "--candidates",
        metavar="C,C",
        help="each METHOD[@TEACHER][:NAME=VALUE]..., such as rd,patchcore@pocket,stfpm:size=128:tile=256; in lists + "
        "instead of a comma; default: the one of `fit`; default: a few that are quick",
    )
    verb.add_argument(
        "--minutes", type=float, metavar="M", help="for the fit of each candidate, see `fit` (1)"
    )
    verb.add_argument(
        "--out",
        default="comparison",
        metavar="DIR",
        help="where models, results, comparison.json and comparison.html go; what is there is not done again "
        "(comparison)",
    )
    verb.add_argument("--teacher", help="of candidates that name none")
    verb.add_argument("--weights", metavar="FILE", help="of the teacher, of candidates that name none")
    verb.add_argument("--size", type=input_size, metavar="PX", help="of candidates that name none")
    tile_options(verb)
    verb.add_argument("--seed", type=int, default=0, help="decides the split and everything random (0)")
    verb.add_argument("--false-alarm-rate", type=float, metavar="A", help="as for `fit`")
    verb.add_argument(
        "--no-export",
        dest="export",
        action="store_false",
        help="time the networks under torch, also where OpenVINO or ONNX Runtime is installed",
    )
    class_options(verb)
    threads_option(verb)
    run_options(verb)
