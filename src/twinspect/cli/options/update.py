"""Options of `update`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    mention_decode_limits,
    overwrite_option,
    run_options,
    strict_option,
    threads_option,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    mention_decode_limits(verb)
    verb.add_argument("model", metavar="M.twin", help="the old version, which stays as it is")
    verb.add_argument(
        "--good",
        required=True,
        metavar="DIR",
        help="good images, best all of the product, old and new: they are told by their contents",
    )
    verb.add_argument(
        "--false-alarms",
        metavar="DIR",
        help="good images that the old version called anomalous: they are learnt from, and not calibrated on, which "
        "would count mistakes more often than they occur",
    )
    verb.add_argument(
        "--defects",
        metavar="DIR",
        help="images with defects: the versions are compared on them, and nothing is learnt from them",
    )
    verb.add_argument("--out", required=True, metavar="M2.twin", help="the model folder to write")
    overwrite_option(verb)
    strict_option(verb)
    again = verb.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="resume where the same command was interrupted")
    again.add_argument("--restart", action="store_true", help="discard an interrupted training")
    length = verb.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="optimiser steps of all stages together; default: a third of the fit's",
    )
    length.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="time from reading the images to comparing the versions; the schedule follows it",
    )
    verb.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="A",
        help="the rate to promise; default: the old version's, or 5 %% if that is lower and nobody asked for more, "
        "as far as the images allow it",
    )
    verb.add_argument(
        "--no-detectability",
        dest="detectability",
        action="store_false",
        help="leave out which synthetic defects the new version finds, which takes up to 15 %% of the time",
    )
    verb.add_argument(
        "--cache-mb", type=int, default=2048, metavar="N", help="memory for images and features (2048)"
    )
    threads_option(verb)
    run_options(verb)
