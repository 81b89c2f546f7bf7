"""Options of `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import threads_option

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("--out", default="demo", metavar="DIR", help="where images, models and pages go (demo)")
    verb.add_argument("--seed", type=int, default=0, help="decides images, defects and weights (0)")
    verb.add_argument(
        "--teacher", default="pocket", help="see: twinspect teachers (pocket, which comes with twinspect)"
    )
    verb.add_argument("--weights", metavar="FILE", help="the teacher's weights")
    threads_option(verb)
    verb.add_argument("--no-open", action="store_true", help="do not open the page in a browser")
