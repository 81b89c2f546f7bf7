"""Options of `wheels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("folder", metavar="DIR", help="where the wheels go")
    verb.add_argument(
        "--extras",
        default="",
        metavar="NAME,NAME",
        help="extras of twinspect to install there, such as serve,onnx",
    )
    verb.add_argument(
        "--platform",
        help="of the other machine: linux-x86_64, linux-aarch64, windows-x86_64 or macos-arm64; default: this one's",
    )
    verb.add_argument(
        "--python", metavar="X.Y", help="version of Python there, such as 3.12; default: this one's"
    )
    verb.add_argument(
        "--torch",
        metavar="URL",
        help="index or folder to take torch and torchvision from: that of wheels without CUDA, which torch's page "
        "names, saves gigabytes on Linux; default: pip's usual index",
    )
    verb.add_argument(
        "--source",
        metavar="PATH",
        help="checkout or wheel of twinspect; default: what is installed here, or else its version from pip's index",
    )
