"""Options of `watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import store_options

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("folder", nargs="?", metavar="DIR", help="the folder; those below it count too")
    verb.add_argument("--model", required=True, metavar="M.twin", help="reloaded when it changes")
    verb.add_argument(
        "--camera",
        metavar="URL",
        help="instead of DIR: an RTSP address, or the number of a USB camera; needs opencv-python-headless",
    )
    verb.add_argument("--category", default="", metavar="NAME", help="the category of all images")
    verb.add_argument(
        "--every",
        type=float,
        default=2,
        metavar="S",
        help="seconds between two looks at the folder or camera (2)",
    )
    verb.add_argument(
        "--grace",
        type=float,
        default=30,
        metavar="S",
        help="seconds after which a file that does not change and is not an image counts as failed (30)",
    )
    verb.add_argument("--once", action="store_true", help="exit once everything that is there is scored")
    verb.add_argument(
        "--on-anomaly",
        metavar="CMD",
        help="run this on each anomalous image, without a shell: the image's path is added as the last argument, and "
        "TWINSPECT_IMAGE, _NAME, _SCORE and _THRESHOLD are in its environment; stopped after 60 seconds",
    )
    verb.add_argument(
        "--move",
        metavar="DIR",
        help="move anomalous images there, with the folders they lie in; no file is overwritten",
    )
    store_options(verb)
