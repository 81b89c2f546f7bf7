"""Options of `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    learning_options,
    log_option,
    mention_decode_limits,
    overwrite_option,
    strict_option,
    threads_option,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    mention_decode_limits(verb)
    verb.add_argument("data", metavar="DATA", help="folder of good images, MVTec layout or manifest")
    verb.add_argument("--out", required=True, metavar="M.twin", help="the model folder to write")
    overwrite_option(verb)
    strict_option(verb)
    again = verb.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="resume where the same command was interrupted")
    again.add_argument("--restart", action="store_true", help="discard an interrupted training")
    verb.add_argument(
        "--no-detectability",
        dest="detectability",
        action="store_false",
        help="leave out which synthetic defects the model finds, which takes up to 15 %% of the time of the "
        "fit, or as long as the largest of each kind take",
    )
    verb.add_argument(
        "--exclude-suspects",
        action="store_true",
        help="leave out good images that look unlike the others (see: twinspect doctor --suspects), and say which; "
        "default: name them after the fit",
    )
    log_option(verb, "settings, losses and results")
    _rank_options(verb)
    learning_options(verb)
    threads_option(verb)


def _rank_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="processes that fit together on each machine, with a GPU each, or a share of the processors; a step "
        "learns from the same batch whatever their number (1)",
    )
    verb.add_argument(
        "--nodes", type=int, default=1, metavar="M", help="machines, as started by torchrun or Slurm (1)"
    )
    verb.add_argument(
        "--strategy", default="auto", help="how they work together: ddp, or auto, which is ddp (auto)"
    )
