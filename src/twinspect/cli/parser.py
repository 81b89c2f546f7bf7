"""The parser of all verbs."""

from __future__ import annotations

import argparse

from twinspect._version import __version__
from twinspect.cli.options import learning, scoring, serving, studying

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
        learning.demo,
        learning.doctor,
        learning.fit,
        learning.fit_many,
        scoring.score,
        scoring.plan,
        scoring.evaluate,
        learning.calibrate,
        scoring.export,
        learning.join,
        serving.serve,
        serving.watch,
        studying.synth,
        studying.download,
        studying.benchmark,
        studying.methods,
        studying.teachers,
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
