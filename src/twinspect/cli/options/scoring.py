"""Options of the verbs that use a model: score, plan, evaluate, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import add_verb, class_options, device_option, run_options, runtime_option

if TYPE_CHECKING:
    import argparse

    from twinspect.cli.options.shared import Verbs


def score(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `score`."""
    verb = add_verb(verbs, common, "score", "score images: path, raw score, p-value, decision, error")
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
        help=".csv, .jsonl or .parquet; with --engine a folder or URI; goes on where it was interrupted",
    )
    verb.add_argument("--maps", metavar="DIR", help="write an anomaly map for every image")
    verb.add_argument(
        "--map-format", choices=("png", "npy"), default="png", help="heat map, or raw float32 (png)"
    )
    verb.add_argument(
        "--category", metavar="NAME", help="what all images show, where one model serves several products"
    )
    runtime_option(verb)
    verb.add_argument("--overwrite", action="store_true", help="start the table anew")
    verb.add_argument("--fail-on-anomaly", action="store_true", help="exit with 1 if an image is anomalous")
    run_options(verb)
    _lake_options(verb)


def _lake_options(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("many images, in shards; needs twinspect[scale] for ray and for URIs")
    add = group.add_argument
    add(
        "--engine",
        choices=("local", "ray"),
        help="local: one shard after the other, here; ray: by many processes; both write the same bytes",
    )
    add("--address", help="of a Ray cluster, or: auto; default: a cluster of its own on this machine")
    add(
        "--actors",
        metavar="N",
        help="processes that score, or MIN,MAX; default: as many as there is room for",
    )
    add("--cpus-per-actor", type=int, metavar="N", help="threads of each model, whatever the engine (1)")
    add("--gpus-per-actor", type=float, metavar="X", help="a part of one is allowed (0)")
    add("--shard-images", type=int, metavar="N", help="images of a shard of work, a multiple of 8 (512)")
    add("--image-column", metavar="NAME", help="of Parquet files in which several columns could hold images")


def plan(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `plan`."""
    verb = add_verb(
        verbs,
        common,
        "plan",
        "say what scoring many images would take and what limits it, from what is measured here on a few",
    )
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument("images", nargs="+", metavar="IMAGES", help="such images: what `score --engine` takes")
    verb.add_argument("--images", dest="number", type=int, metavar="N", help="how many; default: those named")
    verb.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of one core each, or of one GPU; default: this machine's, or what --hours needs",
    )
    verb.add_argument("--hours", type=float, metavar="H", help="within which they are to be scored")
    verb.add_argument(
        "--bandwidth", type=float, metavar="MB/S", help="that storage gives to all workers together"
    )
    verb.add_argument(
        "--store", action="store_true", help="they will be in an object store, which takes longer to list"
    )
    verb.add_argument("--seconds", type=float, default=10, metavar="S", help="to measure for, each time (10)")
    runtime_option(verb)
    device_option(verb)


def evaluate(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `evaluate`."""
    verb = add_verb(
        verbs,
        common,
        "evaluate",
        "compute every metric on labelled images; writes metrics.json and report.html",
    )
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument("data", metavar="DATA", help="MVTec layout or manifest with test images")
    class_options(verb)
    verb.add_argument(
        "--out", required=True, metavar="DIR", help="where metrics.json, scores.csv and report.html go"
    )
    verb.add_argument(
        "--features",
        action="store_true",
        help="also lay out features of patches on a plane (t-SNE; needs masks and twinspect[plots])",
    )
    runtime_option(verb)
    run_options(verb)


def export(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `export`."""
    verb = add_verb(
        verbs,
        common,
        "export",
        "write the whole path from pixels to score as one graph, checked against the model on real images",
    )
    verb.add_argument("model", metavar="M.twin", help="the export goes into it, to exports/")
    verb.add_argument("--to", required=True, metavar="RUNTIME", help="onnx or openvino")
    verb.add_argument(
        "--precision",
        default="fp32",
        help="fp32; fp16: weights of 16 bits, half the file, and computed in bf16 by OpenVINO where the processor "
        "has it; or int8: networks in 8-bit integers, where that is as good (fp32)",
    )
    verb.add_argument(
        "--fixed-size",
        metavar="WxH",
        help="take images of this size alone, one at a time: the fastest; default: any size",
    )
    verb.add_argument(
        "--check", metavar="DIR", help="images to check by; default: the good images kept with the model"
    )
    verb.add_argument(
        "--good",
        metavar="DATA",
        help="for int8: normal images to measure ranges on, at most 200; a third is held out to judge by",
    )
    verb.add_argument(
        "--labelled",
        metavar="DATA",
        help="for int8: a data set whose AUROC and AUPRO may hardly fall; default: the same decisions, and nearly "
        "the same ranks, on good images held out and synthetic anomalies",
    )
    verb.add_argument(
        "--max-drop",
        type=float,
        default=0.003,
        metavar="X",
        help="with --labelled: most that a metric may fall (0.003, that is 0.3 points)",
    )
