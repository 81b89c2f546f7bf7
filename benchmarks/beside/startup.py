"""Start-up: how long until the command line answers, the package is imported, a model is made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from beside.report import Report, Row
from beside.rounds import Figures, rounds

if TYPE_CHECKING:
    from beside.settings import Settings
    from beside.sides import Side

COMMANDS: dict[str, tuple[str, str]] = {
    "--help": (
        "import sys; sys.argv = ['twinspect', '--help']; from twinspect.cli import main; sys.exit(main())",
        "import sys; sys.argv = ['anomalib', '--help']; from anomalib.cli.cli import main; sys.exit(main())",
    ),
    "import": ("import twinspect", "import anomalib"),
    "import, detector made": (
        "import twinspect; twinspect.Detector('rd', teacher='resnet18')",
        "from anomalib.models import ReverseDistillation as RD; RD(backbone='resnet18', pre_trained=False)",
    ),
}
"""What is started: ours, the peer's."""


def measure(settings: Settings) -> Report:
    """Time every command in fresh processes. Ours makes its networks in ``fit``, hence the last line."""
    report = Report()
    for what, codes in COMMANDS.items():
        turns = {
            side.name: partial(_start, side, "-c", code)
            for side, code in zip((settings.ours, settings.peer), codes, strict=True)
        }
        report.rows += _rows(what, rounds(settings.rounds, settings.out, f"startup-{_slug(what)}", turns))
    build = {
        side.name: partial(_start, side, side.folder / "build.py", "--weights", settings.weights)
        for side in (settings.ours, settings.peer)
    }
    report.rows += _rows(
        "import, networks built", rounds(settings.rounds, settings.out, "startup-build", build)
    )
    return report


def _start(side: Side, *arguments: object) -> Figures:
    run = side.call(*arguments)
    return {"seconds": run.seconds, "mib": run.mib}


def _rows(what: str, found: list[dict[str, Figures]]) -> list[Row]:
    names = ("twinspect", "anomalib")
    return [
        Row.of(f"start-up: {what}", "s", found, names, "seconds"),
        Row.of(f"start-up: {what}", "MiB", found, names, "mib"),
    ]


def _slug(what: str) -> str:
    return what.replace(",", "").replace(" ", "_").strip("-")
