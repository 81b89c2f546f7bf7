"""Options of `download`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument(
        "name", nargs="?", metavar="NAME", help="FashionMNIST, for instance; without it: the list"
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="the folder to write; new or empty")
