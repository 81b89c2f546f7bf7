"""Options of `studio`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.serve import server_options
from twinspect.cli.options.shared import scoring_options

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument(
        "words",
        nargs="*",
        metavar="DIR",
        help="where products, images and the database are kept, made if missing; or: backup DIR FILE.tar, to copy "
        "all of it, also while it is in use; or: restore FILE.tar DIR, into a folder that does not exist",
    )
    verb.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="M.twin",
        help="also serve this model; may be repeated",
    )
    verb.add_argument(
        "--quota-gb", type=float, metavar="N", help="space that photos of products may take (all)"
    )
    scoring_options(verb)
    server_options(verb)
