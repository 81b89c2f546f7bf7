"""`twinspect push`: a model to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.cli.outcome import Outcome
from twinspect.inference.model_hub import push_folder

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """Upload the folder, and say where it is and how to use it."""
    page = push_folder(Path(options.folder), options.to, private=not options.public)
    text = f"{options.folder}: pushed to {page}\nuse it: twinspect score {options.to} IMAGES"
    return Outcome(text, {"model": options.folder, "address": options.to, "page": page})
