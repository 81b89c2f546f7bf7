"""`twinspect teachers`: what there is, and what can be had without a network."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from twinspect.cli.console import table
from twinspect.cli.outcome import Outcome
from twinspect.teachers import teachers

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:  # noqa: ARG001 - every verb takes the options
    """List the teachers."""
    known = teachers()
    return Outcome("", {"teachers": [asdict(info) for info in known]})
