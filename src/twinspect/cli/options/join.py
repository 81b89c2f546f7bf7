"""Options of `join`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import class_options, overwrite_option, threshold_options

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("models", nargs="+", metavar="M.twin", help="two or more, of any methods and sizes")
    verb.add_argument("--out", required=True, metavar="J.twin", help="the model folder to write")
    overwrite_option(verb)
    verb.add_argument(
        "--good",
        metavar="DATA",
        help="good images that no model has seen, for an exact promise; default: those that all models held out",
    )
    class_options(verb)
    threshold_options(verb)
