"""Options of `fit-many`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import learning_options, overwrite_option

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument(
        "manifest",
        metavar="MANIFEST",
        help=".csv, .parquet or .toml: name, data, any option of `fit` and setting of its method, cpus, gpus",
    )
    verb.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="where NAME.twin, models.csv and runs.sqlite go; resumes what is there",
    )
    verb.add_argument(
        "--engine",
        choices=("local", "ray"),
        help="ray: side by side, needs twinspect[scale]; local: one after the other; default: ray if installed",
    )
    verb.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster, or: auto; default: a private one on this machine",
    )
    verb.add_argument(
        "--cpus", default="1", metavar="N", help="processors of each model, and its threads (1)"
    )
    verb.add_argument("--gpus", default="0", metavar="N", help="GPUs of each model; 0.25: four share one (0)")
    verb.add_argument("--retry", action="store_true", help="fit again what failed before")
    overwrite_option(verb)
    learning_options(verb)
