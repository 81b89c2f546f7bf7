"""Options of the verbs around models: synth, download, benchmark, methods, teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    add_verb,
    length_options,
    names,
    numbers,
    precision_option,
    run_options,
    tile_options,
)

if TYPE_CHECKING:
    import argparse

    from twinspect.cli.options.shared import Verbs


def synth(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `synth`."""
    verb = add_verb(
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


def download(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `download`."""
    verb = add_verb(
        verbs, common, "download", "fetch a public benchmark, or list them with their licences and pages"
    )
    verb.add_argument(
        "name", nargs="?", metavar="NAME", help="FashionMNIST, for instance; without it: the list"
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="the folder to write; new or empty")


def benchmark(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `benchmark`."""
    verb = add_verb(
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
        "--methods", type=names, default=["rd"], metavar="M,M", help="see: twinspect methods (rd)"
    )
    verb.add_argument("--seeds", type=numbers, default=[0, 1, 2], metavar="N,N", help="one run each (0,1,2)")
    verb.add_argument("--teacher", help="of all methods; default: each method's usual one")
    verb.add_argument("--weights", metavar="FILE", help="the teacher's weights, or: random")
    verb.add_argument("--preset", help="a named set of settings, which every method must have")
    verb.add_argument("--size", type=int, metavar="PX", help="side that images are resized to")
    tile_options(verb)
    length_options(verb)
    precision_option(verb)
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of those methods that have it, amplify_steps=100 for instance; may be repeated",
    )
    verb.add_argument(
        "--classes", type=names, metavar="CLASS,CLASS", help="a task for each; default: for all"
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
    run_options(verb)


def methods(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `methods`."""
    verb = add_verb(verbs, common, "methods", "list the methods, or the settings and presets of one")
    verb.add_argument("name", nargs="?", metavar="NAME")


def teachers(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add `teachers`."""
    add_verb(verbs, common, "teachers", "list the teachers, and which can be had without a network")
