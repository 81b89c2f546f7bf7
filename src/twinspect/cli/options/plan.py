"""Options of `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import device_option, runtime_option

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument(
        "images", nargs="+", metavar="IMAGES", help="a sample of the images, as `score --engine` takes them"
    )
    verb.add_argument("--images", dest="number", type=int, metavar="N", help="how many; default: those named")
    verb.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of one core each, or of one GPU; default: this machine's, or what --hours needs",
    )
    verb.add_argument("--hours", type=float, metavar="H", help="time limit for scoring them all")
    verb.add_argument(
        "--bandwidth", type=float, metavar="MB/S", help="that the storage delivers to all workers together"
    )
    verb.add_argument(
        "--store",
        action="store_true",
        help="the images will be in an object store, which takes longer to list",
    )
    verb.add_argument("--seconds", type=float, default=10, metavar="S", help="to measure for, each time (10)")
    runtime_option(verb)
    device_option(verb)
