"""Options that several verbs take."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from twinspect.errors import ConfigError
from twinspect.methods.input_size import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def log_option(verb: argparse.ArgumentParser, what: str) -> None:
    """Add the trackers that are told of a run."""
    verb.add_argument(
        "--log",
        metavar="NAMES",
        help=f"tell experiment trackers of {what}: mlflow, tensorboard, wandb, several between commas; where to, "
        "their environment variables say, or what follows a colon: tensorboard:FOLDER, mlflow:URI",
    )


def input_size(text: str) -> int | str:
    """Read the size of a model's input."""
    try:
        return parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def class_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that read data by classes."""
    # Not nargs="+": it would read a DATA that comes next as one more class.
    group = verb.add_mutually_exclusive_group()
    group.add_argument(
        "--normal",
        action=_Gather,
        type=names,
        metavar="CLASS,CLASS",
        help="these classes are good, all others anomalous; may be repeated; the data is then train/<class> and "
        "test/<class>, class folders (every fifth image is for testing), or an .npz of x_train, y_train, x_test, "
        "y_test and perhaps classes",
    )
    group.add_argument(
        "--anomalous",
        action=_Gather,
        type=names,
        metavar="CLASS,CLASS",
        help="the other way round: these classes are anomalous, all others good",
    )
    group.add_argument(
        "--all-good",
        action="store_true",
        help="every image in the folder and below is good, whatever its sub-folders are called",
    )


def mention_decode_limits(verb: argparse.ArgumentParser) -> None:
    """Name the settings that bound the decoding of an image, below the options of a verb that reads images."""
    verb.epilog = (
        "environment: TWINSPECT_DECODE_SECONDS of processor time (20) and TWINSPECT_DECODE_GIB of memory (4) are the "
        "most that decoding one image may take."
    )


def overwrite_option(verb: argparse.ArgumentParser) -> None:
    """Add the option of verbs that write a model."""
    verb.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a finished model, with its exports and its calibration, once the new one is complete",
    )


def strict_option(verb: argparse.ArgumentParser) -> None:
    """Add the option of verbs that learn from images which may be damaged."""
    verb.add_argument(
        "--strict",
        action="store_true",
        help="stop at images that cannot be read; default: name them and go on",
    )


def tile_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that can learn from tiles."""
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


def roi_options(verb: argparse.ArgumentParser) -> None:
    """Add the region of interest, for verbs that set a threshold."""
    verb.add_argument(
        "--roi",
        metavar="FILE",
        help="look only at this region: a mask image as large as the images (white = look), or JSON: polygons in "
        'relative coordinates, {"look": [[[x, y], ...]], "ignore": [...]}, LabelMe or COCO; default: the regions '
        "that a manifest's column roi names, or whole images",
    )
    verb.add_argument(
        "--roi-blank",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="paint the rest over before the networks see it: what is there then changes nothing, but surroundings "
        "help no more",
    )


def length_options(verb: argparse.ArgumentParser) -> None:
    """Add the ways to set the length of the training."""
    length = verb.add_mutually_exclusive_group()
    length.add_argument(
        "--length",
        choices=("quick", "paper"),
        help="the method's default, or the authors'; default: the preset's, else quick on a CPU and paper elsewhere",
    )
    length.add_argument("--steps", type=int, metavar="N", help="optimiser steps of all stages together")
    length.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="passes over the images of all stages together, instead of --steps",
    )
    length.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="time for all of the fit, from reading the images to scoring those held out; the schedule follows it",
    )


def preset_option(verb: argparse.ArgumentParser, note: str) -> None:
    """Add the named sets of settings."""
    verb.add_argument(
        "--preset",
        metavar="NAME,NAME",
        help=f"named changes of the method's settings, later ones over earlier ones; paper: as in the paper, "
        f"with its teacher, which is downloaded where it is not at hand, and its length; edge: a light student, "
        f"faster to train and to score with (rd, aand, stfpm); {note}",
    )


def split_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that split good images for training and calibration."""
    verb.add_argument("--seed", type=int, default=0, help="decides the split and everything random (0)")
    verb.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="A",
        help="the rate to promise; default: the smallest that the images allow",
    )
    verb.add_argument(
        "--calibration",
        help="split: hold good images out; cv: five fits, every image serves both ways; default: cv for padim, "
        "and for hybrid and patchcore of fewer than 19 good images, else split",
    )


def threshold_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that set a threshold by scoring good images."""
    verb.add_argument(
        "--false-alarm-rate", type=float, metavar="A", help="default: the smallest that the images allow"
    )
    run_options(verb)


def runtime_option(verb: argparse.ArgumentParser) -> None:
    """Add the option of verbs that can run an export."""
    verb.add_argument(
        "--runtime",
        metavar="RUNTIME",
        help="torch: the networks as they were trained; onnx, openvino or tensorrt: an export; an export's name, "
        "such as onnx-fp16; auto: the fastest of what is there, by what was measured at export; default: the fastest "
        "in fp32 on a CPU, else torch",
    )


def threads_option(verb: argparse.ArgumentParser) -> None:
    """Add the option of verbs that compute here."""
    verb.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads that compute, whatever the runtime; default: all cores",
    )


def device_option(verb: argparse.ArgumentParser) -> None:
    """Add the option that says where to compute."""
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")


def precision_option(verb: argparse.ArgumentParser) -> None:
    """Add the floating-point precision of training."""
    verb.add_argument("--precision", default="auto", help="of training: auto, fp32, bf16 or fp16 (auto)")


def run_options(verb: argparse.ArgumentParser) -> None:
    """Add the options that say where to compute and how many threads read."""
    device_option(verb)
    verb.add_argument("--workers", type=int, metavar="N", help="threads that read images")


def learning_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that fit; settings of the method are added once it is known."""
    class_options(verb)
    verb.add_argument(
        "--method",
        help="see: twinspect methods; default: hybrid, ready within a minute, and patchcore below 19 good images; "
        "auto (of `fit`): compares the usual candidates of `compare`, --minutes each, and keeps the best",
    )
    preset_option(verb, "see: twinspect methods NAME")
    verb.add_argument(
        "--teacher",
        default="auto",
        help="see: twinspect teachers; any timm name works; pocket: comes with twinspect; auto: the best that is on "
        "this machine: the method's usual one, else resnet18, else pocket (auto)",
    )
    verb.add_argument(
        "--weights", metavar="FILE", help="the teacher's weights: .safetensors or .pth, or: random"
    )
    verb.add_argument(
        "--layers", type=numbers, metavar="N,N", help="the teacher's levels; default: its usual ones"
    )
    verb.add_argument(
        "--size",
        type=input_size,
        metavar="PX",
        help="side that images are resized to, or HEIGHTxWIDTH, such as 256x512 (default: the method's)",
    )
    tile_options(verb)
    length_options(verb)
    verb.add_argument(
        "--augment",
        metavar="NAME,NAME",
        help="also learn from three changed copies of each training image: lighting (brightness by up to 20 %%, red "
        "and blue by up to 10 %%), shift (by up to 2 %% of the shorter side, and turned by up to 2 degrees)",
    )
    roi_options(verb)
    verb.add_argument(
        "--align",
        choices=("shift", "rotation"),
        help="bring every part to the place, or place and direction, that it has in the good image whose name comes "
        "first, which the region of interest is drawn on; what does not align cannot be inspected",
    )
    device_option(verb)
    precision_option(verb)
    verb.add_argument(
        "--bits", type=int, metavar="N", help="significant bits of 16-bit files: 8 to 16 (recognised)"
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
        help="held-out good images to keep with the model, at most 1024 px a side: exports are checked by them (3)",
    )
    verb.add_argument(
        "--config", metavar="FILE", help="TOML or JSON file of these options; the command line wins"
    )
    split_options(verb)


def schema_option(verb: argparse.ArgumentParser, schema: Callable[[], dict[str, Any]]) -> None:
    """Add the option that prints the JSON schema of ``--config``, once the settings of the method are known."""
    verb.add_argument(
        "--config-schema",
        action=_PrintJson,
        content=schema,
        help="print the JSON schema of the --config of a --method, for editors, and leave",
    )


def store_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that store inspections."""
    verb.add_argument(
        "--data",
        default="inspections",
        metavar="DIR",
        help="where images and the database are kept (inspections)",
    )
    scoring_options(verb)


def scoring_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that score into a store: its database, and how models run."""
    verb.add_argument(
        "--db", metavar="URL", help="postgresql://user:password@host/name; default: SQLite in --data"
    )
    verb.add_argument(
        "--runtime",
        default="auto",
        metavar="RUNTIME",
        help="torch, onnx, openvino, tensorrt, or an export's name; auto: the fastest of what is there (auto)",
    )
    threads_option(verb)
    device_option(verb)


class _PrintJson(argparse.Action):
    """Prints what a function gives, and leaves, as ``--help`` does."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, *, content: Callable[[], Any], **text: Any
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **text)
        self.content = content

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse's signature
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        print(json.dumps(self.content(), indent=1))
        parser.exit()


class _Gather(argparse.Action):
    """Collects the values of a repeated option; they replace those of a configuration file."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        so_far = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if so_far is self.default else so_far), *(values or ())])


def names(text: str) -> list[str]:
    """Split a list at commas.

    Raises:
        argparse.ArgumentTypeError: one of them is empty.
    """
    classes = [part.strip() for part in text.split(",")]
    if not all(classes):
        raise argparse.ArgumentTypeError(f"expected names of classes such as cat,dog, got {text!r}")
    return classes


def numbers(text: str) -> list[int]:
    """Read integers between commas.

    Raises:
        argparse.ArgumentTypeError: one of them is not an integer.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 4,8,16, got {text!r}") from None
