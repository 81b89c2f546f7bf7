"""The verbs and their options, with the standard library's argparse alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, TypeAlias

from twinspect._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

LEARNING = ("fit", "fit-many")
"""The verbs that take a method's settings as options."""
EPILOG = """exit codes: 0 done; 1 anomalies found (only with --fail-on-anomaly); 2 a mistake in the
command or its input; 3 done, but some files could not be read; 130 interrupted."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="twinspect",
        description="Finds what is wrong in images, having seen only good ones.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"twinspect {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for add in (
        _demo,
        _doctor,
        _fit,
        _fit_many,
        _score,
        _plan,
        _evaluate,
        _calibrate,
        _export,
        _join,
        _serve,
        _watch,
        _synth,
        _download,
        _benchmark,
        _methods,
        _teachers,
    ):
        add(verbs, common)
    return parser


def verb_parser(parser: argparse.ArgumentParser, verb: str) -> argparse.ArgumentParser:
    """Find the parser of a verb."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its subparsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found: argparse.ArgumentParser = action.choices[verb]
            return found
    raise AssertionError("build_parser always adds verbs")


_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - nor to their type


def _add(verbs: _Verbs, common: argparse.ArgumentParser, name: str, text: str) -> argparse.ArgumentParser:
    return verbs.add_parser(name, parents=[common], help=text, description=text[0].upper() + text[1:] + ".")


def _demo(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs, common, "demo", "train on photographs that come with the installation and open a report"
    )
    verb.add_argument("--out", default="demo", metavar="DIR", help="where images, model and report go (demo)")
    verb.add_argument("--seed", type=int, default=0, help="decides images, defects and weights (0)")
    verb.add_argument(
        "--teacher", default="pocket", help="see: twinspect teachers (pocket, which comes with twinspect)"
    )
    verb.add_argument("--weights", metavar="FILE", help="the teacher's weights")
    verb.add_argument("--no-open", action="store_true", help="do not open the report in a browser")


def _doctor(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "doctor",
        "say what would be read, as what, what is skipped and why; and what is installed",
    )
    verb.add_argument("data", nargs="?", metavar="DATA", help="folder, MVTec layout or manifest")
    verb.add_argument("--list", action="store_true", help="name every image and what it would be used for")
    verb.add_argument("--quick", action="store_true", help="list files without decoding every image")
    _class_options(verb)
    _split_options(verb)


def _fit(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(verbs, common, "fit", "learn from good images; settings of the method follow as --name value")
    verb.add_argument("data", metavar="DATA", help="folder of good images, MVTec layout or manifest")
    verb.add_argument("--out", required=True, metavar="M.twin", help="the model folder to write")
    again = verb.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on from where the same command was interrupted"
    )
    again.add_argument("--restart", action="store_true", help="throw an interrupted training away")
    _rank_options(verb)
    _learning_options(verb)


def _fit_many(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "fit-many",
        "fit the models that a table lists, one a row, side by side; options of `fit` go for rows that say nothing",
    )
    verb.add_argument(
        "manifest",
        metavar="MANIFEST",
        help=".csv, .parquet or .toml: name, data, any option of `fit` and setting of its method, cpus, gpus",
    )
    verb.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="where NAME.twin, models.csv and runs.sqlite go; goes on from there",
    )
    verb.add_argument(
        "--engine",
        choices=("local", "ray"),
        help="ray: side by side, needs twinspect[scale]; local: one after the other; default: ray if installed",
    )
    verb.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster, or: auto; default: one of its own, of this machine",
    )
    verb.add_argument(
        "--cpus", default="1", metavar="N", help="processors of each model, and its threads (1)"
    )
    verb.add_argument("--gpus", default="0", metavar="N", help="GPUs of each model; 0.25: four share one (0)")
    verb.add_argument("--retry", action="store_true", help="fit again what failed before")
    _learning_options(verb)


def _learning_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verbs take that fit models; settings of the method come in as soon as it is known."""
    _class_options(verb)
    verb.add_argument("--method", default="mkd", help="see: twinspect methods (mkd)")
    verb.add_argument("--preset", help="a named set of the method's settings; see: twinspect methods NAME")
    verb.add_argument(
        "--teacher",
        help="see: twinspect teachers; any timm name works; pocket: comes with twinspect; auto: resnet18 if its "
        "weights can be had, else pocket (the method's usual one: resnet18, on a CPU)",
    )
    verb.add_argument(
        "--weights", metavar="FILE", help="the teacher's weights: .safetensors or .pth, or: random"
    )
    verb.add_argument(
        "--layers", type=_numbers, metavar="N,N", help="the teacher's levels; default: its usual ones"
    )
    verb.add_argument(
        "--size", type=int, metavar="PX", help="side that images are resized to; default: the method's"
    )
    _tile_options(verb)
    length = verb.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="optimiser steps; default: the method's")
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the images, instead of --steps")
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    verb.add_argument("--precision", default="auto", help="of training: auto, fp32 or bf16 (auto)")
    verb.add_argument(
        "--bits", type=int, metavar="N", help="significant bits of 16-bit files: 10, 12, 14 or 16 (16)"
    )
    verb.add_argument(
        "--workers", type=int, metavar="N", help="threads that read images; default: processors, at most 8"
    )
    verb.add_argument(
        "--cache-mb", type=int, default=2048, metavar="N", help="memory for images and features (2048)"
    )
    verb.add_argument(
        "--keep-images",
        type=int,
        default=3,
        metavar="N",
        help="good images held out to keep with the model, at most 1024 px a side: exports are checked by them (3)",
    )
    verb.add_argument(
        "--config", metavar="FILE", help="TOML or JSON file of these options; the command line wins"
    )
    _split_options(verb)


def _rank_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="processes that fit together on each machine, a GPU each, or shares of the processors; a step learns "
        "from the same batch however many there are (1)",
    )
    verb.add_argument(
        "--nodes", type=int, default=1, metavar="M", help="machines, as started by torchrun or Slurm (1)"
    )
    verb.add_argument(
        "--strategy", default="auto", help="how they work together: ddp, or auto, which is ddp (auto)"
    )


def _tile_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--tile",
        type=int,
        metavar="PX",
        help="learn and score by square tiles of this side, in pixels of the original image: for small defects in "
        "large images; default: whole images",
    )
    verb.add_argument(
        "--overlap",
        type=int,
        default=32,
        metavar="PX",
        help="pixels that neighbouring tiles share at least (32)",
    )


def _split_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seed", type=int, default=0, help="decides the split and everything random (0)")
    verb.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="A",
        help="the rate to promise; default: the smallest the images allow",
    )
    verb.add_argument(
        "--calibration",
        default="split",
        help="split: hold good images out; cv: five fits, every image serves both ways (split)",
    )


def _score(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(verbs, common, "score", "score images: path, raw score, p-value, decision, error")
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
    _runtime_option(verb)
    verb.add_argument("--overwrite", action="store_true", help="start the table anew")
    verb.add_argument("--fail-on-anomaly", action="store_true", help="exit with 1 if an image is anomalous")
    _run_options(verb)
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


def _plan(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
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
    _runtime_option(verb)
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")


def _evaluate(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "evaluate",
        "compute every metric on labelled images; writes metrics.json and report.html",
    )
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument("data", metavar="DATA", help="MVTec layout or manifest with test images")
    _class_options(verb)
    verb.add_argument(
        "--out", required=True, metavar="DIR", help="where metrics.json, scores.csv and report.html go"
    )
    verb.add_argument(
        "--features",
        action="store_true",
        help="also lay out features of patches on a plane (t-SNE; needs masks and twinspect[plots])",
    )
    _runtime_option(verb)
    _run_options(verb)


def _calibrate(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(verbs, common, "calibrate", "set a new threshold from good images; nothing is trained")
    verb.add_argument("model", metavar="M.twin", help="its calibration is replaced")
    verb.add_argument(
        "good", nargs="?", metavar="GOOD", help="good images; without them the scores at hand are used"
    )
    _class_options(verb)
    _threshold_options(verb)


def _export(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
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


def _join(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "join",
        "join models into one that heeds whatever any of them finds; nothing is trained",
    )
    verb.add_argument("models", nargs="+", metavar="M.twin", help="two or more, of any methods and sizes")
    verb.add_argument("--out", required=True, metavar="J.twin", help="the model folder to write")
    verb.add_argument(
        "--good",
        metavar="DATA",
        help="good images that no model has seen, for an exact promise; default: what all models held out",
    )
    _class_options(verb)
    _threshold_options(verb)


def _serve(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "serve",
        "answer over HTTP, with a page for people: scores, feedback, thresholds and drift; needs twinspect[serve]",
    )
    verb.add_argument("models", nargs="*", metavar="M.twin", help="one or more; reloaded when they change")
    verb.add_argument(
        "--host", default="127.0.0.1", help="what to listen on; another than this needs tokens (127.0.0.1)"
    )
    verb.add_argument("--port", type=int, default=8000, help="0 for any that is free (8000)")
    _store_options(verb)
    _token_options(verb)
    verb.add_argument(
        "--watch",
        action="append",
        default=[],
        metavar="DIR",
        help="score what arrives in this folder, too, by the first model; may be repeated",
    )
    _serve_limits(verb)


def _watch(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "watch",
        "score what arrives in a folder, or what a camera sees, into the store of `serve`; needs twinspect[serve]",
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="the folder; those below it count too")
    verb.add_argument("--model", required=True, metavar="M.twin", help="reloaded when it changes")
    verb.add_argument(
        "--camera",
        metavar="URL",
        help="instead of DIR: an RTSP address, or the number of a USB camera; needs opencv-python-headless",
    )
    verb.add_argument("--category", default="", metavar="NAME", help="what all images show")
    verb.add_argument("--every", type=float, default=2, metavar="S", help="seconds between looks (2)")
    verb.add_argument(
        "--grace",
        type=float,
        default=30,
        metavar="S",
        help="seconds after which a file that does not change and is no image counts as failed (30)",
    )
    verb.add_argument("--once", action="store_true", help="end when all that is there is scored")
    _store_options(verb)


def _store_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verbs take that keep inspections."""
    verb.add_argument(
        "--data",
        default="inspections",
        metavar="DIR",
        help="where images and the database are kept (inspections)",
    )
    verb.add_argument(
        "--db", metavar="URL", help="postgresql://user:password@host/name; default: SQLite in --data"
    )
    verb.add_argument(
        "--runtime",
        default="auto",
        metavar="RUNTIME",
        help="torch, onnx, openvino, or an export's name; auto: the fastest of what is there (auto)",
    )
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")


def _token_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--token-file", metavar="FILE", help="who may do what: lines of name, role and hash")
    verb.add_argument(
        "--add-token",
        metavar="NAME[:ROLE]",
        help="add a token to --token-file, print it once and end; view: look; inspect: also score and judge "
        "(default); admin: also change thresholds",
    )
    verb.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which browsers call this server; may be repeated",
    )


def _serve_limits(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--max-image-mb", type=float, default=64, metavar="N", help="of one file (64)")
    verb.add_argument("--max-body-mb", type=float, default=512, metavar="N", help="of one request (512)")
    verb.add_argument("--max-batch", type=int, default=64, metavar="N", help="images of one request (64)")
    verb.add_argument("--max-pixels", type=int, metavar="N", help="of one image (200 million)")
    verb.add_argument(
        "--queue", type=int, default=256, metavar="N", help="images that may wait, for each model (256)"
    )
    verb.add_argument(
        "--rate-limit",
        type=float,
        default=100,
        metavar="N",
        help="requests a second of one client; 0: any (100)",
    )
    verb.add_argument(
        "--keep-days", type=float, metavar="N", help="remove older images; rows stay (for ever)"
    )
    verb.add_argument("--keep-gb", type=float, metavar="N", help="remove the oldest images beyond this (all)")


def _synth(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs, common, "synth", "show good images with the synthetic anomalies that some methods learn from"
    )
    verb.add_argument("data", metavar="DATA", help="folder of good images, MVTec layout or manifest")
    verb.add_argument("--out", required=True, metavar="DIR", help="where contact_sheet.png goes")
    verb.add_argument("--kind", default="draem", help="draem, cutpaste, poisson or mixed (draem)")
    verb.add_argument(
        "--textures", metavar="DIR", help="folder of images for draem; default: drawn patterns and the images"
    )
    verb.add_argument("--size", type=int, default=256, metavar="PX", help="side of every image (256)")
    verb.add_argument("--count", type=int, default=16, metavar="N", help="how many images (16)")
    verb.add_argument("--seed", type=int, default=0, help="decides every anomaly (0)")


def _download(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs, common, "download", "fetch a public benchmark, or list them with their licences and pages"
    )
    verb.add_argument(
        "name", nargs="?", metavar="NAME", help="FashionMNIST, for instance; without it: the list"
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="the folder to write; new or empty")


def _benchmark(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(
        verbs,
        common,
        "benchmark",
        "run a protocol over tasks, methods and seeds, in any number of processes at once; or report what was run",
    )
    verb.add_argument(
        "protocol",
        metavar="PROTOCOL",
        help="folder (one model a category), folder-multiclass (one for all), classes-ovr (each class against the "
        "rest), classes-all-but-one (each class as the anomaly); of public sets: mvtec, visa, real-iad (each also "
        "with -multiclass), real-iad-single (the view from above), mvtec3d-rgb, loco, btad, mpdd, kolektor, "
        "kolektor2, magnetic-tile, dagm, brain-mri, head-ct, retinal-oct, medical (those of these three "
        "that are there, each in a folder of its own); cifar10, cifar100, mnist, fmnist, view (each with -ovr or "
        "-all-but-one); or: report, for the tables of what was run",
    )
    verb.add_argument("--data", metavar="DIR", help="the images; for the protocols of classes also an .npz")
    verb.add_argument(
        "--out", required=True, metavar="DIR", help="where runs.sqlite and the tables go; goes on from there"
    )
    verb.add_argument(
        "--methods", type=_names, default=["rd"], metavar="M,M", help="see: twinspect methods (rd)"
    )
    verb.add_argument("--seeds", type=_numbers, default=[0, 1, 2], metavar="N,N", help="one run each (0,1,2)")
    verb.add_argument("--teacher", help="of all methods; default: each method's usual one")
    verb.add_argument("--weights", metavar="FILE", help="the teacher's weights, or: random")
    verb.add_argument("--preset", help="a named set of settings, which every method must have")
    verb.add_argument("--size", type=int, metavar="PX", help="side that images are resized to")
    _tile_options(verb)
    length = verb.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="optimiser steps; default: each method's")
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the images, instead of --steps")
    verb.add_argument("--precision", default="auto", help="of training: auto, fp32 or bf16 (auto)")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of those methods that have it, amplify_steps=100 for instance; may be repeated",
    )
    verb.add_argument(
        "--classes", type=_names, metavar="CLASS,CLASS", help="a task for each; default: for all"
    )
    verb.add_argument(
        "--most-train",
        type=int,
        metavar="N",
        help="at most so many training images of each class, evenly spaced",
    )
    verb.add_argument("--most-test", type=int, metavar="N", help="likewise of test images")
    verb.add_argument("--retry", action="store_true", help="run again what failed before")
    verb.add_argument(
        "--beside",
        metavar="PROTOCOL",
        help="report: show the published numbers of this protocol, mvtec for instance, beside a folder's",
    )
    _run_options(verb)


def _threshold_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verbs take that set a threshold by scoring good images."""
    verb.add_argument(
        "--false-alarm-rate", type=float, metavar="A", help="default: the smallest the images allow"
    )
    _run_options(verb)


def _runtime_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--runtime",
        metavar="RUNTIME",
        help="torch; onnx or openvino: an export; an export's name, such as onnx-fp16; auto: the fastest of what is "
        "there, by what was measured at export (torch; auto where it is not installed)",
    )


def _run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    verb.add_argument("--workers", type=int, metavar="N", help="threads that read images")


def _methods(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    verb = _add(verbs, common, "methods", "list the methods, or the settings and presets of one")
    verb.add_argument("name", nargs="?", metavar="NAME")


def _teachers(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    _add(verbs, common, "teachers", "list the teachers, and which can be had without a network")


def _class_options(verb: argparse.ArgumentParser) -> None:
    # Not nargs="+": it would take DATA, where that comes next, for one more class.
    group = verb.add_mutually_exclusive_group()
    group.add_argument(
        "--normal",
        action=_Gather,
        type=_names,
        metavar="CLASS,CLASS",
        help="these classes are good, all others anomalous; may be repeated; the data is then train/<class> and "
        "test/<class>, class folders (every fifth image is for testing), or an .npz of x_train, y_train, x_test, "
        "y_test and perhaps classes",
    )
    group.add_argument(
        "--anomalous",
        action=_Gather,
        type=_names,
        metavar="CLASS,CLASS",
        help="the other way round: these classes are anomalous, all others good",
    )


class _Gather(argparse.Action):
    """Collect the values of a repeated option; they replace those of a configuration file."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        so_far = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if so_far is self.default else so_far), *(values or ())])


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names of classes such as cat,dog, got {text!r}")
    return names


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 4,8,16, got {text!r}") from None
