"""Options of the verbs that make a model: demo, doctor, fit, fit-many, calibrate, join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    add_verb,
    class_options,
    device_option,
    length_options,
    numbers,
    precision_option,
    split_options,
    threshold_options,
    tile_options,
)

if TYPE_CHECKING:
    import argparse

    from twinspect.cli.options.shared import Verbs


def demo(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `demo`."""
    verb = add_verb(
        verbs, common, "demo", "train on photographs that come with the installation and open a report"
    )
    verb.add_argument("--out", default="demo", metavar="DIR", help="where images, model and report go (demo)")
    verb.add_argument("--seed", type=int, default=0, help="decides images, defects and weights (0)")
    verb.add_argument(
        "--teacher", default="pocket", help="see: twinspect teachers (pocket, which comes with twinspect)"
    )
    verb.add_argument("--weights", metavar="FILE", help="the teacher's weights")
    verb.add_argument("--no-open", action="store_true", help="do not open the report in a browser")


def doctor(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `doctor`."""
    verb = add_verb(
        verbs,
        common,
        "doctor",
        "say what would be read, as what, what is skipped and why; and what is installed",
    )
    verb.add_argument("data", nargs="?", metavar="DATA", help="folder, MVTec layout or manifest")
    verb.add_argument("--list", action="store_true", help="name every image and what it would be used for")
    verb.add_argument("--quick", action="store_true", help="list files without decoding every image")
    class_options(verb)
    split_options(verb)


def fit(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `fit`."""
    verb = add_verb(
        verbs, common, "fit", "learn from good images; settings of the method follow as --name value"
    )
    verb.add_argument("data", metavar="DATA", help="folder of good images, MVTec layout or manifest")
    verb.add_argument("--out", required=True, metavar="M.twin", help="the model folder to write")
    again = verb.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on from where the same command was interrupted"
    )
    again.add_argument("--restart", action="store_true", help="throw an interrupted training away")
    _rank_options(verb)
    _learning_options(verb)


def fit_many(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `fit-many`."""
    verb = add_verb(
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
    class_options(verb)
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
        "--layers", type=numbers, metavar="N,N", help="the teacher's levels; default: its usual ones"
    )
    verb.add_argument(
        "--size", type=int, metavar="PX", help="side that images are resized to; default: the method's"
    )
    tile_options(verb)
    length_options(verb)
    device_option(verb)
    precision_option(verb)
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
    split_options(verb)


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


def calibrate(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `calibrate`."""
    verb = add_verb(verbs, common, "calibrate", "set a new threshold from good images; nothing is trained")
    verb.add_argument("model", metavar="M.twin", help="its calibration is replaced")
    verb.add_argument(
        "good", nargs="?", metavar="GOOD", help="good images; without them the scores at hand are used"
    )
    class_options(verb)
    threshold_options(verb)


def join(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `join`."""
    verb = add_verb(
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
    class_options(verb)
    threshold_options(verb)
