"""Options of `benchmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    input_size,
    length_options,
    names,
    numbers,
    precision_option,
    preset_option,
    run_options,
    threads_option,
    tile_options,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument(
        "protocol",
        nargs="?",  # behind --data it counts as one of its values
        metavar="PROTOCOL",
        help="folder (one model a category), folder-multiclass (one for all), classes-ovr (each class against the "
        "rest), classes-all-but-one (each class as the anomaly); of public sets: mvtec, visa, real-iad, "
        "loco (each also with -multiclass), real-iad-single (the view from above), mvtec3d-rgb, btad, mpdd, "
        "kolektor, kolektor2, magnetic-tile, dagm, brain-mri, head-ct, retinal-oct, medical (those of these three "
        "that are there, each in a folder of its own); cifar10, cifar100, mnist, fmnist, view (each with -ovr or "
        "-all-but-one); a table or figure of a paper: aand-table-1 to aand-table-8, aand-figure-6, aand-figure-7, "
        "aand-figure-8, mkd-mnist, mkd-fmnist, mkd-cifar10, mkd-mvtec, mkd-localisation, dual-singleclass, "
        "dual-multiclass; or: report, for the tables of what was run",
    )
    verb.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="DIR",
        help="the images; for the protocols of classes also an .npz. For a table of a paper any number of folders, "
        "in which its public sets and DTD are looked for; SET=DIR for what takes the place of one, mvtec=DIR for "
        "instance",
    )
    verb.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="where runs.sqlite and the tables go; resumes what is there",
    )
    verb.add_argument(
        "--methods",
        type=names,
        metavar="M,M",
        help="see: twinspect methods (rd; of a table, all that it has)",
    )
    verb.add_argument("--seeds", type=numbers, default=[0, 1, 2], metavar="N,N", help="one run each (0,1,2)")
    verb.add_argument(
        "--teacher", help="of all methods; default: each method's usual one, of a table the paper's"
    )
    verb.add_argument(
        "--weights",
        metavar="FILE",
        help="the teacher's weights, or: random; of a table also TEACHER=FILE,TEACHER=FILE",
    )
    preset_option(verb, "every method must have them")
    verb.add_argument(
        "--size", type=input_size, metavar="PX", help="side that images are resized to, or HEIGHTxWIDTH"
    )
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
    verb.add_argument("--most-test", type=int, metavar="N", help="at most so many test images of each class")
    verb.add_argument("--retry", action="store_true", help="run again what failed before")
    verb.add_argument(
        "--beside",
        metavar="PROTOCOL",
        help="report: show the published numbers of this protocol, mvtec for instance, beside a folder's",
    )
    threads_option(verb)
    run_options(verb)
