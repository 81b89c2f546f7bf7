"""Options of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import class_options, split_options

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("data", nargs="?", metavar="DATA", help="folder, MVTec layout or manifest")
    verb.add_argument(
        "--list",
        action="store_true",
        help="name every image and what it would be used for, and all that is left out",
    )
    verb.add_argument("--quick", action="store_true", help="list files without decoding every image")
    verb.add_argument(
        "--suspects",
        action="store_true",
        help="rank the good images by how much they look unlike the others, name near-duplicates, and write a page "
        "with thumbnails",
    )
    verb.add_argument(
        "--out",
        default="suspects.html",
        metavar="FILE",
        help="where --suspects writes its page (suspects.html)",
    )
    class_options(verb)
    split_options(verb)
