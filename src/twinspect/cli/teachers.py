"""`twinspect teachers`: the list of teachers, and which are available offline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from twinspect.cli.console import table
from twinspect.cli.outcome import Outcome
from twinspect.teachers import teachers

if TYPE_CHECKING:
    import argparse

    from twinspect.teachers import TeacherInfo


def run(options: argparse.Namespace) -> Outcome:  # noqa: ARG001 - every verb takes the options
    """List the teachers."""
    known = teachers().values()
    rows = [
        (info.name, _levels(info), info.weights, info.licence, "yes" if info.offline else "no")
        for info in known
    ]
    text = table(("teacher", "levels (channels at stride)", "weights", "licence", "on this machine"), rows)
    note = "Any other timm model works too, by its name; --weights FILE takes any file that fits."
    return Outcome(f"{text}\n\n{note}", {"teachers": [asdict(info) for info in known]})


def _levels(info: TeacherInfo) -> str:
    return " ".join(f"{level.channels}@{level.reduction}" for level in info.levels)
