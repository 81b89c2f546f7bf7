"""Options of `synth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("data", metavar="DATA", help="folder of good images, MVTec layout or manifest")
    verb.add_argument("--out", required=True, metavar="DIR", help="where contact_sheet.png goes")
    verb.add_argument("--kind", default="draem", help="draem, cutpaste, poisson or mixed (draem)")
    verb.add_argument(
        "--textures", metavar="DIR", help="folder of images for draem; default: drawn patterns and the images"
    )
    verb.add_argument("--size", type=int, default=256, metavar="PX", help="side of every image (256)")
    verb.add_argument("--count", type=int, default=16, metavar="N", help="how many images (16)")
    verb.add_argument("--seed", type=int, default=0, help="decides every anomaly (0)")
