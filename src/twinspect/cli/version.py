"""`twinspect --version`, and `twinspect --version --verbose`: what a report of a bug begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._version import __version__
from twinspect.cli.outcome import Outcome

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """Tell the version, or all that is installed."""
    if not options.verbose:
        return Outcome(f"twinspect {__version__}", {"twinspect": __version__})
    from twinspect.cli.console import table
    from twinspect.cli.installation import describe_installation

    record = describe_installation()
    rows = [(key, as_text(value)) for key, value in record.items()]
    return Outcome(table(("installation", ""), rows), record)


def as_text(value: object) -> str:
    """Write a value of :mod:`twinspect.cli.installation` in one line."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
