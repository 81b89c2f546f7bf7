"""The parser of all verbs: one row a verb."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from twinspect.cli.options import (
    benchmark,
    calibrate,
    compare,
    completion,
    demo,
    doctor,
    download,
    evaluate,
    export,
    fit,
    fit_many,
    inspect,
    join,
    methods,
    plan,
    push,
    score,
    serve,
    studio,
    synth,
    update,
    watch,
    wheels,
)
from twinspect.errors import in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Verb:
    """One verb; ``twinspect.cli.<name>`` runs it.

    Attributes:
        name: what to type.
        summary: what it does, in a line of ``twinspect --help``.
        add_options: adds its options; ``None`` if it has none of its own.
    """

    name: str
    summary: str
    add_options: Callable[[argparse.ArgumentParser], None] | None = None


VERBS: Final = (
    Verb(
        "demo",
        "train on photographs that come with the installation and show what was found",
        demo.add_options,
    ),
    Verb(
        "doctor",
        "say what would be read, as what, what is skipped and why; and what is installed",
        doctor.add_options,
    ),
    Verb("fit", "learn from good images; settings of the method follow as --name value", fit.add_options),
    Verb(
        "fit-many",
        "fit the models that a table lists, one a row, side by side; options of `fit` are defaults for all rows",
        fit_many.add_options,
    ),
    Verb(
        "compare",
        "fit several methods for some minutes each, rank them on your images, and say how to take the best",
        compare.add_options,
    ),
    Verb("score", "score images: path, raw score, p-value, decision, error", score.add_options),
    Verb(
        "plan",
        "estimate what scoring many images would take and what limits it, from measurements on a few",
        plan.add_options,
    ),
    Verb(
        "evaluate",
        "compute every metric on labelled images; writes metrics.json and report.html",
        evaluate.add_options,
    ),
    Verb(
        "inspect",
        "say all about a model: what it learnt from, what it promises, what it would find, its exports",
        inspect.add_options,
    ),
    Verb(
        "update",
        "make a new version that learns from more good images, and compare it with the old one",
        update.add_options,
    ),
    Verb("calibrate", "set a new threshold from good images; nothing is trained", calibrate.add_options),
    Verb(
        "export",
        "write the whole path from pixels to score as one graph, checked against the model on real images",
        export.add_options,
    ),
    Verb(
        "join",
        "join models into one that flags whatever any of them finds; nothing is trained",
        join.add_options,
    ),
    Verb(
        "push",
        "upload a model to the Hugging Face hub, with a card; `score` and others then take its address",
        push.add_options,
    ),
    Verb(
        "serve",
        "answer over HTTP, with a page for people: scores, feedback, thresholds and drift; needs twinspect[serve]",
        serve.add_options,
    ),
    Verb(
        "studio",
        "train, inspect and learn from feedback on a page, without a terminal; needs twinspect[serve]",
        studio.add_options,
    ),
    Verb(
        "watch",
        "score what arrives in a folder, or what a camera sees, into the store of `serve`; needs twinspect[serve]",
        watch.add_options,
    ),
    Verb(
        "synth",
        "show good images with the synthetic anomalies that some methods learn from",
        synth.add_options,
    ),
    Verb(
        "download",
        "fetch a public benchmark, or list them with their licences and pages",
        download.add_options,
    ),
    Verb(
        "benchmark",
        "run a protocol over tasks, methods and seeds, in any number of processes at once; or report what was run",
        benchmark.add_options,
    ),
    Verb("methods", "list the methods, or the settings and presets of one", methods.add_options),
    Verb("teachers", "list the teachers, and which can be had without a network"),
    Verb(
        "wheels",
        "download all that an installation without a network needs, for this machine or another",
        wheels.add_options,
    ),
    Verb(
        "completion",
        "print the script by which bash, zsh or fish complete command lines of twinspect",
        completion.add_options,
    ),
)
FITTING: Final = ("fit", "fit-many")
"""The verbs that take a method's settings as options."""
EPILOG: Final = """exit codes: 0 done; 1 anomalies found (only with --fail-on-anomaly); 2 a mistake in the
command or its input; 3 done, but some files could not be read or some runs failed; 4 no anomalies, but some
images could not be inspected (only with --fail-on-anomaly; takes precedence over 3); 130 interrupted."""


DECIMAL_COMMA: Final = re.compile(r"invalid float value: '(-?\d+),(\d+)'")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what to type for help, instead of all options."""

    def error(self, message: str) -> NoReturn:
        """Print the error and leave."""
        message = DECIMAL_COMMA.sub(r"'\1,\2' is no number; write \1.\2", in_one_line(message))
        self.exit(2, f"twinspect: error: {message}; all options: {self.prog} --help\n")


def build_parser() -> Parser:
    """Build the parser of all verbs."""
    parser = Parser(
        prog="twinspect",
        description="Finds what is wrong in images, having seen only good ones.",
        epilog=EPILOG,
    )
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--version", action="store_true", help="print the version; with --json as JSON")
    parser.add_argument(
        "--verbose", action="store_true", help="with --version: all that a report of a bug needs, no paths"
    )
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb in VERBS:
        description = f"{verb.summary[0].upper()}{verb.summary[1:]}."
        subparser = subparsers.add_parser(
            verb.name, parents=[common], help=verb.summary, description=description
        )
        if verb.add_options:
            verb.add_options(subparser)
    return parser


def verb_parser(parser: argparse.ArgumentParser, verb: str) -> argparse.ArgumentParser:
    """Find the parser of a verb."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its subparsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            subparser: argparse.ArgumentParser = action.choices[verb]
            return subparser
    raise AssertionError("build_parser always adds verbs")
