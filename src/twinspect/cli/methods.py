"""`twinspect methods`: the list of methods, or the settings of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.console import table
from twinspect.cli.outcome import Outcome
from twinspect.methods import methods
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """List the methods, or one method's settings."""
    if options.name is not None:
        return _settings(options.name)
    known = methods().values()
    rows = [(info.name, info.summary, info.source) for info in known]
    record = {info.name: {"summary": info.summary, "source": info.source} for info in known}
    return Outcome(table(("method", "what it does", "source"), rows), {"methods": record})


def _settings(name: str) -> Outcome:
    from twinspect.methods.config import field_help, to_record

    config = config_class(name)
    defaults = to_record(config())
    described = field_help(config)
    settings = table(
        ("setting", "default", "meaning"), [(key, str(defaults[key]), described[key]) for key in defaults]
    )
    presets = table(
        ("preset", "settings"),
        [(key, ", ".join(f"{k}={v}" for k, v in values.items())) for key, values in config.PRESETS.items()],
    )
    teacher = config.PAPER_TEACHER
    record = {
        "method": name,
        "defaults": defaults,
        "help": described,
        "presets": config.PRESETS,
        "paper_teacher": teacher or None,
    }
    note = f"\n\nthe preset paper takes the teacher {teacher}, unless another is named" if teacher else ""
    return Outcome(f"{settings}\n\n{presets}{note}", record)
