"""Options of `push`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument(
        "folder", metavar="M.twin", help="the model folder; its exports and the good images it keeps go along"
    )
    verb.add_argument(
        "to", metavar="hf://OWNER/NAME", help="made if it is not there, with a card of the model"
    )
    verb.add_argument(
        "--public", action="store_true", help="of one that is made: for everybody; default: private"
    )
