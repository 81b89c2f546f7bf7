"""Options of `score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import mention_decode_limits, run_options, runtime_option, threads_option

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    mention_decode_limits(verb)
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="files, folders or manifests; with --engine also URIs, and .tar and .parquet files of images",
    )
    verb.add_argument(
        "--out",
        metavar="TABLE",
        help=".csv, .jsonl or .parquet; with --engine a folder or URI; resumes where it was interrupted",
    )
    verb.add_argument("--maps", metavar="DIR", help="write an anomaly map for every image")
    verb.add_argument(
        "--map-format", choices=("png", "npy"), default="png", help="heat map, or raw float32 (png)"
    )
    _region_options(verb)
    verb.add_argument(
        "--parts",
        metavar="FILE",
        help="write a table of parts that several images show, with a decision on each; a manifest's column 'part' "
        "says which image shows which. The suffix says the format: .csv, .jsonl, .parquet",
    )
    verb.add_argument(
        "--category",
        metavar="NAME",
        help="the category of all images, where one model serves several products",
    )
    verb.add_argument(
        "--roi",
        metavar="FILE",
        help="make sure that the model looks at this region of interest: one calibrated with another is refused",
    )
    runtime_option(verb)
    threads_option(verb)
    verb.add_argument("--overwrite", action="store_true", help="discard an existing table")
    verb.add_argument(
        "--fail-on-anomaly",
        action="store_true",
        help="exit with 1 if an image is anomalous, or else with 4 if one could not be inspected",
    )
    run_options(verb)
    _engine_options(verb)


def _region_options(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group(
        "regions, which the column 'regions' lists: at most the promised share of good images shows any"
    )
    add = group.add_argument
    add("--masks", metavar="DIR", help="write a mask for every image: 255 in a region, else 0")
    add(
        "--crops",
        metavar="DIR",
        help="write a crop of every region, and beside it the good image's patch that it is most like "
        "(region-1-good.png), in a folder for each image",
    )
    add("--coco", metavar="FILE", help="write all regions as one COCO file, for annotation tools")
    add(
        "--min-area",
        metavar="AREA",
        help="leave out smaller regions: 20 (pixels), or 0.5mm2 with --mm-per-px. A fixed minimum can hide a small "
        "defect, or a missing part of which little shows",
    )
    add("--mm-per-px", type=float, metavar="X", help="side of a pixel in millimetres, for sizes in them")


def _engine_options(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("many images, in shards; needs twinspect[scale] for ray and for URIs")
    add = group.add_argument
    add(
        "--engine",
        choices=("local", "ray"),
        help="local: one shard after the other, here; ray: by many processes; both write the same bytes",
    )
    add("--address", help="of a Ray cluster, or: auto; default: a private one on this machine")
    add(
        "--actors",
        metavar="N",
        help="processes that score, or MIN,MAX; default: as many as there is room for",
    )
    add("--cpus-per-actor", type=int, metavar="N", help="threads of each model, whatever the engine (1)")
    add("--gpus-per-actor", type=float, metavar="X", help="GPUs of each model; a fraction is allowed (0)")
    add("--shard-images", type=int, metavar="N", help="images per shard, a multiple of 8 (512)")
    add(
        "--image-column",
        metavar="NAME",
        help="the column to read of Parquet files in which several could hold images",
    )
