"""Options of `calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    class_options,
    roi_options,
    runtime_option,
    strict_option,
    threads_option,
    threshold_options,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("model", metavar="M.twin", help="its calibration is replaced")
    verb.add_argument(
        "good",
        nargs="?",
        metavar="GOOD",
        help="good images; without them the last calibration's scores are reused",
    )
    verb.add_argument(
        "--undo",
        action="store_true",
        help="bring back the calibration before the last one; repeat for older ones",
    )
    roi_options(verb)
    verb.set_defaults(roi_blank=None)
    strict_option(verb)
    class_options(verb)
    runtime_option(verb)
    threads_option(verb)
    threshold_options(verb)
